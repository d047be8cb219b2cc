# SPDX-License-Identifier: Apache-2.0
"""What care costs: digests before a first read, the scrub, backups and restoring, and sealing."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, child

ROWS_FULL, ROWS_QUICK = 5_000_000, 500_000
SEALED_FULL, SEALED_QUICK = 1_000_000, 200_000
ASKED = "SELECT customer, count(*) AS n, sum(amount) AS s FROM ({}) GROUP BY ALL ORDER BY ALL"


def read_first(folder: str, table: str, compared: bool) -> dict[str, Any]:
    """Read a table for the first time in this process, with its digests compared or not."""
    import benchmarks.tables  # noqa: F401 - declares the tables
    from heptad.engine.local.duck import Duck
    from heptad.engine.local.intact import Intact
    from heptad.engine.local.lake import Lake
    from heptad.service.reads.asof import read_sql
    from heptad.standards.tables import named

    if not compared:
        Intact.damaged = lambda *_: []  # type: ignore[method-assign]
    declared, lake = named(table), Lake(Path(folder) / "tables")
    with Duck(Path(folder)) as duck:
        wall, cpu = time.perf_counter(), time.process_time()
        relation = lake.relation(table, table=declared)
        found = duck.arrow(ASKED.format(read_sql(declared, relation, t=None, k=None)))
        size = sum(f.size for f in lake.files(table))
        return {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
                "rows": found.num_rows, "cents": int(sum(found.column("s").to_pylist())),
                "bytes": size}  # fmt: skip


def keep_safe(folder: str, scratch: str) -> dict[str, Any]:
    """Scrub a project, back it up, back it up again, and restore it."""
    from heptad.catalog.backup import back_up
    from heptad.catalog.restoring import restore
    from heptad.catalog.scrub import scrub

    place, target = Path(folder), Path(scratch) / "backups"
    spent: dict[str, Any] = {}
    start = time.process_time()
    report = scrub(place)
    assert not report.findings, report.findings
    spent |= {"scrub": time.process_time() - start, "scrubbed": report.size}
    for name, more in (("backup", False), ("again", True)):
        start = time.process_time()
        made = back_up(place, target, now=2_000_000 + more, incremental=more)
        spent[name] = time.process_time() - start
        spent[f"{name}_bytes"] = made["written_bytes"]
    start = time.process_time()
    restore(target, Path(scratch) / "again", kek=place / "keys" / "kek")
    return spent | {"restore": time.process_time() - start}


def seal_cells(folder: str, n: int) -> dict[str, Any]:
    """Seal a column, ten cells for each person, and open it again."""
    import pyarrow as pa

    from heptad.security.keys import Keys
    from heptad.security.sealing import open_sealed, seal_rows

    people = pa.array([f"Customer:{i % (n // 10)}" for i in range(n)])
    values = pa.array([f"merchant {i % 999:05d}" for i in range(n)])
    with Keys(Path(folder) / "keys") as keys:
        keys.of(people.unique().to_pylist())
        start = time.process_time()
        cells = seal_rows({"merchant": values}, (), people, keys, "Payment").cells["merchant"]
        between = time.process_time()
        opened = open_sealed(cells, people, keys, "Payment", "merchant")
        end = time.process_time()
    assert opened.values.equals(values)
    assert not set(cells.to_pylist()) & set(values.cast(pa.binary()).to_pylist())
    return {"seal": n / (between - start), "open": n / (end - between)}


def seal_rows(*, quick: bool, seed: int) -> list[Row]:
    """Cells sealed by a core, and what two sealed columns add to a load."""
    from benchmarks.platform import make_project, write_csv

    n = SEALED_QUICK if quick else SEALED_FULL
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        place = Path(scratch)
        cells = [child("benchmarks.care:seal_cells", place / f"{k}", n).answer for k in range(3)]
        rate = sorted(c["seal"] for c in cells)[1]
        write_csv(place / "payments.csv", n, seed)

        def loaded(table: str, keys: Path | None = None) -> Any:
            make_project(place / "project", place / "payments.csv", table)
            if keys is not None:
                shutil.copytree(keys, place / "project" / "keys")
            return child("benchmarks.platform:load", place / "project", table)

        runs = []
        for k in range(3):
            fresh = loaded("TwiceSealedPayment")
            keys = shutil.copytree(place / "project" / "keys", place / f"keys{k}")
            runs.append((fresh, loaded("TwiceSealedPayment", keys), loaded("PlainPayment")))
    least = 2 * n / (2 * rate)
    added, known = (
        sorted(run[which].answer["seconds"] - run[2].answer["seconds"] for run in runs)[1] / least
        for which in (0, 1)
    )
    detail = {"cells": cells, "runs": [[vars(r) for r in run] for run in runs]}
    return [
        Row("seal", "cells sealed, ten of each person whose key is there", rate, "cells/CPU s",
            None if quick else 300_000, least=True, detail=detail),
        Row("open", "cells opened", sorted(c["open"] for c in cells)[1], "cells/CPU s"),
        Row("load-two-sealed", f"what two sealed columns add to a load of {n:,} rows, keys made "
            "and contents hashed / their cells on two cores", added, "ratio of seconds",
            None if quick else 1.2),
        Row("load-two-known", "the same where each person has a key already", known,
            "ratio of seconds"),
    ]  # fmt: skip


def care_rows(*, quick: bool, seed: int) -> list[Row]:
    """What comparing digests adds to a first read, and CPU seconds a GiB of scrub and backup."""
    from benchmarks.platform import make_project, write_csv

    n, table = ROWS_QUICK if quick else ROWS_FULL, "PlainPayment"
    with tempfile.TemporaryDirectory(prefix="heptad-bench-") as scratch:
        place = Path(scratch)
        csv, home = place / "payments.csv", place / "project"
        write_csv(csv, n, seed)
        make_project(home, csv, table)
        child("benchmarks.platform:load", home, table)
        (home / "payments.csv").unlink()
        pairs = [
            [child("benchmarks.care:read_first", home, table, how) for how in (True, False)]
            for _ in range(3)
        ]
        answers = {(r.answer["rows"], r.answer["cents"]) for pair in pairs for r in pair}
        assert len(answers) == 1, answers
        added = [a.answer["cpu"] - b.answer["cpu"] for a, b in pairs]
        whole = [b.answer["cpu"] for _, b in pairs]
        size = pairs[0][0].answer["bytes"]
        safe = child("benchmarks.care:keep_safe", home, place / "safe").answer
        shutil.rmtree(home)
    gib, detail = size / (1 << 30), {"pairs": [[vars(r) for r in p] for p in pairs], "safe": safe}
    rate = size / (1 << 20) / sorted(added)[1]
    return [
        Row("digests", f"first read of {n:,} rows with digests compared / without",
            1 + sorted(added)[1] / sorted(whole)[1], "ratio of CPU seconds", 1.5, detail=detail),
        Row("digests-rate", "files compared", rate, "MiB a CPU second"),
        Row("scrub", "every byte of that project", safe["scrub"] / gib, "CPU seconds a GiB"),
        Row("backup", "a first backup of it", safe["backup"] / gib, "CPU seconds a GiB"),
        Row("backup-again", "bytes of the next one / of the first",
            safe["again_bytes"] / safe["backup_bytes"], "ratio", 0.1),
        Row("restore", "restored and scrubbed", safe["restore"] / gib, "CPU seconds a GiB"),
    ]  # fmt: skip


ROWS = {"care": care_rows, "seal": seal_rows}
