# SPDX-License-Identifier: Apache-2.0
"""Good files of every format with some bytes changed, loaded by the thousand.

    python -m tests.faults.malformed.mutants FOLDER COUNT [SEED]

A mutant is either refused, with a cause and a cure and nothing changed, or loaded: then each of
its rows is stored, dropped or set aside, and the rows that stand whole before the first changed
byte of a text file, or anywhere in a file with checksums, are stored as they were. Mutants that
can be read are loaded together, which is what makes it fast. What came of them is told as JSON;
before each load, a file `now` in the folder names the mutants in it, should the process die.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import sqlite3
import sys
import time
import traceback
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from tests.faults.malformed.bench import CLOCK, LIMIT_MIB, Bench
from tests.faults.malformed.case import GOOD, HEAD
from tests.faults.malformed.worker import peak

from heptad.sources.readers import files_of, reader
from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = 6
TOGETHER = 40
"""So many mutants are loaded at once."""
RENEWED = 25
"""After so many loads the project begins anew: what it remembers of loads is not the question."""
SHARES = {
    "a.csv": 25, "a.tsv": 10, "a.jsonl": 20, "a.csv.gz": 10, "a.csv.zst": 10, "a.parquet": 20,
    "a.db": 5,
}  # fmt: skip
"""Of a hundred mutants; a database is loaded alone, so that it takes far longer."""
TEXT = ("a.csv", "a.tsv", "a.jsonl")
NUMBERS = (
    b"9" * 30, b"-1", b"1e400", b"NaN", b"0x10", b"99999999999999999999.99", b"1" * 5000, b"-0",
    b"1,000", b"2147483648", b"9223372036854775808", b"0" * 400 + b"1", b"\xd9\xa1", b"0000-00-00",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A changed file.

    Attributes:
        kind: name of a good file of its format.
        number: which it is; with the seed it is made again.
        what: how it was changed.
        data: its bytes.
        intact: keys of the rows that must be stored as they were, if anything is.
    """

    kind: str
    number: int
    what: str
    data: bytes
    intact: tuple[str, ...]


def key(number: int, row: int) -> str:
    """Return the key of a row, which no other mutant has; all are of one length."""
    return f"m{number:07d}r{row}"


def rows_of(number: int) -> list[dict[str, str]]:
    """Return the payments of a good file."""
    plain = dict(zip(HEAD.split(","), GOOD.split(","), strict=True))
    return [
        plain | {"id": key(number, n), "amount": f"{n + 1}.5{n}", "customer": f"José {n}"}
        for n in range(ROWS)
    ]


def good(kind: str, number: int, folder: Path) -> bytes:
    """Return the bytes of a good file."""
    rows = rows_of(number)
    if kind == "a.jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if kind == "a.parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink, write_page_checksum=True)
        return sink.getvalue()
    if kind == "a.db":
        return _database(rows, folder / "good.db")
    mark = "\t" if kind == "a.tsv" else ","
    lines = [list(rows[0]), *([f'"{row["id"]}"', *list(row.values())[1:]] for row in rows)]
    text = "".join(mark.join(line) + "\n" for line in lines).encode()
    if kind == "a.csv.gz":
        return gzip.compress(text, mtime=0)
    return pa.Codec("zstd").compress(text, asbytes=True) if kind == "a.csv.zst" else text


def _database(rows: list[dict[str, str]], path: Path) -> bytes:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"CREATE TABLE pay ({HEAD})")
        db.executemany(
            "INSERT INTO pay VALUES (?, ?, ?, ?, ?, ?)", [list(r.values()) for r in rows]
        )
    return path.read_bytes()


def _flip(data: bytearray, at: int, chance: random.Random) -> None:
    data[at] ^= 1 << chance.randrange(8)


def _change(data: bytearray, at: int, chance: random.Random) -> None:
    data[at] = chance.choice(b"\0\xff\r\n\"',;\t{}[]:\\\x1b-" + bytes([chance.randrange(256)]))


def _insert(data: bytearray, at: int, chance: random.Random) -> None:
    piece = chance.choice(
        (b'"', b"\n", b"\0", b"\r", b",", b"\xc3", b"\xef\xbb\xbf", b"{", b"\x1b[2J")
    )
    data[at:at] = piece * chance.choice((1, 1, 2, 300))


def _delete(data: bytearray, at: int, chance: random.Random) -> None:
    del data[at : at + chance.choice((1, 1, 2, 8, 64))]


def _truncate(data: bytearray, at: int, chance: random.Random) -> None:
    del data[at:]


def _duplicate(data: bytearray, at: int, chance: random.Random) -> None:
    data[at:at] = data[at : at + chance.choice((1, 4, 64, 512))] * chance.choice((1, 2, 50))


def _splice(data: bytearray, at: int, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    data[at : at + chance.choice((0, 8, 64))] = data[start : start + chance.choice((4, 32, 256))]


def _number(data: bytearray, at: int, chance: random.Random) -> None:
    found = re.compile(rb"\d+(\.\d+)?").search(data, at)
    start, end = found.span() if found else (at, at)
    data[start:end] = chance.choice(NUMBERS)


CHANGES: tuple[Callable[[bytearray, int, random.Random], None], ...] = (
    _flip, _flip, _change, _insert, _delete, _truncate, _duplicate, _splice, _number,
)  # fmt: skip


def mutant(kind: str, number: int, seed: int, folder: Path) -> Mutant:
    """Make a mutant; the same arguments make the same one."""
    chance = random.Random(seed * 10_000_000 + number)
    whole = good(kind, number, folder)
    data = bytearray(whole)
    told = []
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at = chance.randrange(len(data)) if data else 0
        change = chance.choice(CHANGES) if data else _insert
        change(data, at, chance)
        told.append(f"{change.__name__[1:]} at {at}")
    changed = bytes(data)
    return Mutant(kind, number, ", ".join(told), changed, _intact(kind, number, whole, changed))


def _intact(kind: str, number: int, whole: bytes, changed: bytes) -> tuple[str, ...]:
    """Return the keys of the rows that must be stored, if the file is loaded at all."""
    if kind not in TEXT:
        return ()
    same = next((n for n, (a, b) in enumerate(zip(whole, changed, strict=False)) if a != b), None)
    same = min(len(whole), len(changed)) if same is None else same
    lines = whole[:same].count(b"\n")
    return tuple(key(number, n) for n in range(max(lines - (kind != "a.jsonl"), 0)))


class Runner:
    """Loads mutants of one kind after another.

    Args:
        folder: for the project.
        seed: of the mutants.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.bench = Bench(folder / "project", ("Payment",))
        self.became: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.most, self._loads, self._state = 0, 0, self.bench.state()
        self._rows: dict[str, tuple[int, str]] = {}

    def run(self, count: int) -> None:
        """Make and load about so many mutants."""
        number = 0
        for kind, share in SHARES.items():
            numbers = range(number, number + max(count * share // 100, 1))
            number = numbers.stop
            size = 1 if kind == "a.db" else TOGETHER
            for start in range(numbers.start, numbers.stop, size):
                group = range(start, min(start + size, numbers.stop))
                self._group([mutant(kind, n, self.seed, self.folder) for n in group])
        self.bench.load_good()
        self.bench.platform.close()

    def _group(self, mutants: list[Mutant]) -> None:
        """Load those that can be read together, each of the others alone."""
        if self._loads >= RENEWED:
            self._renew()
        alone = [m for m in mutants if m.kind == "a.db" or not self._readable(m)]
        together = [m for m in mutants if m not in alone]
        for some in [*([m] for m in alone), together] if together else [[m] for m in alone]:
            self._try(some)

    def _try(self, mutants: list[Mutant]) -> None:
        """Load mutants; if they are refused together, each half of them."""
        (self.folder / "now").write_text(json.dumps([(m.number, m.what) for m in mutants]))
        if self._check(mutants) == "refused together":
            half = len(mutants) // 2
            self._try(mutants[:half])
            self._try(mutants[half:])

    def _renew(self) -> None:
        self.bench.renew()
        self._loads, self._state = 0, self.bench.state()
        self._rows.clear()

    def _bind(self, mutants: list[Mutant]) -> None:
        """Put mutants into the folder of the source."""
        home = self.bench.folder / "in"
        for old in home.iterdir():
            old.unlink()
        for m in mutants:
            (home / f"{m.number}{m.kind[1:]}").write_bytes(m.data)
        place = f"sqlite:///in/{mutants[0].number}.db" if mutants[0].kind == "a.db" else "in/*"
        query = 'query = "pay"\n' if mutants[0].kind == "a.db" else ""
        self.bench.bind(
            f'{CLOCK}[[source]]\nname = "m"\ntable = "Payment"\nfrom = "{place}"\n{query}'
        )

    def _readable(self, one: Mutant) -> bool:
        """Whether the reader alone finds nothing to refuse."""
        self._bind([one])
        project = self.bench.platform.project
        try:
            found = reader(project.sources[0], project, files_of(project.sources[0], project))
            for _ in found.batches():
                pass
        except Exception:
            return False
        needed = set(HEAD.split(","))
        return needed <= {name.lower() for name in found.columns}

    def _check(self, mutants: list[Mutant]) -> str:
        """Load mutants, and note what is wrong with the outcome."""
        self._bind(mutants)
        before, paths = self._state, self.bench.paths("Payment")
        names = f"{mutants[0].kind} {[(m.number, m.what) for m in mutants][:3]}"
        peak()
        try:
            (report,) = self.bench.platform.load("m")
        except HeptadError as error:
            self.became[f"{mutants[0].kind} refused"] += len(mutants) == 1
            faults = [] if len(mutants) > 1 else list(self._refusal(error))
            if self.bench.state() != before:
                faults.append(f"something changed, though: {error}")
            answer = "refused together" if len(mutants) > 1 else "refused"
        except Exception:
            faults, answer = [traceback.format_exc()], "broken"
            self._renew()
        else:
            self._loads += 1
            self.became[f"{mutants[0].kind} loaded"] += len(mutants)
            self.became["rows stored"] += report.accepted
            self.became["rows set aside"] += sum(report.quarantined.values())
            self._state = self.bench.state()
            faults, answer = list(self._loaded(mutants, report, before, paths)), "loaded"
        held = peak()
        self.most = max(self.most, held)
        if held > LIMIT_MIB:
            faults.append(f"{held} MiB were held")
        self.wrong += [f"{names}: {fault}" for fault in faults]
        return answer

    def _refusal(self, error: HeptadError) -> Iterator[str]:
        said = str(error)
        if not (error.what and error.do and (error.shown or error.place)):
            yield f"the error lacks what, got or do: {error!r}"
        if "Traceback" in said or any(c < " " and c != "\n" for c in said):
            yield f"the error shows what it should not: {said!r}"
        if type(error).status >= 500 and error.code != "busy":
            yield f"the error blames the platform: {error.code} {said}"

    def _loaded(
        self,
        mutants: list[Mutant],
        report: Any,
        before: dict[str, Any],
        paths: set[str],
    ) -> Iterator[str]:
        aside = sum(report.quarantined.values())
        if report.read != report.accepted + report.duplicates + aside:
            yield f"rows are lost: {report}"
        kept = self.bench.platform.loading.quarantine.path("Payment", report.load)
        if aside != (pq.read_metadata(kept).num_rows if kept.exists() else 0):
            yield "quarantine does not hold what the report says"
        if self.bench.rows("Payment") - before["tables"]["Payment"][1] != report.accepted:
            yield "the table does not hold what the report says"
        after = self._state
        if after["unfinished"] or any(".stage" in f or "draft" in f for f, _ in after["files"]):
            yield f"left behind: {after['unfinished']} {after['files']}"
        stored, together = self._stored(paths), b"".join(m.data for m in mutants)
        for m in mutants:
            # A key may have been changed into that of another mutant, now or before.
            own = {k for k in m.intact if together.count(k.encode()) == 1 and k not in self._rows}
            yield from self._intact(m, stored, own)
        self._rows |= stored

    def _stored(self, before: set[str]) -> dict[str, tuple[int, str]]:
        home = self.bench.folder / "tables" / "Payment"
        new = self.bench.paths("Payment") - before
        parts = [pq.read_table(home / p, columns=["id", "amount", "customer"]) for p in new]
        found = [row for part in parts for row in part.to_pylist()]
        return {row["id"]: (row["amount"], row["customer"]) for row in found}

    def _intact(
        self, m: Mutant, stored: dict[str, tuple[int, str]], own: set[str]
    ) -> Iterator[str]:
        """Compare rows that must be as they were."""
        for n, k in enumerate(m.intact):
            if k in own and stored.get(k) != (n * 101 + 150, f"José {n}"):
                yield f"row {k} is {stored.get(k)}, in {m.what}"


def main(folder: Path, count: int, seed: int) -> int:
    """Run, and tell what came of it; 1 if anything was wrong."""
    begun, cpu = time.monotonic(), time.process_time()
    runner = Runner(folder, seed)
    runner.run(count)
    told = {
        "mutants": sum(n for name, n in runner.became.items() if not name.startswith("rows")),
        "became": runner.became,
        "wrong": runner.wrong,
        "mib": runner.most,
        "wall_s": round(time.monotonic() - begun, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
    }
    (folder / "told.json").write_text(json.dumps(told, indent=1))
    print(json.dumps(told, indent=1))
    return int(bool(runner.wrong))


if __name__ == "__main__":
    asked = int(sys.argv[3]) if sys.argv[3:] else 7
    raise SystemExit(main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), asked))
