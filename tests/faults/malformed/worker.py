# SPDX-License-Identifier: Apache-2.0
"""Runs one chapter of malformed inputs in a project of its own, and tells what each did.

    python -m malformed.worker CHAPTER FOLDER

One line of JSON per case: its name, what is wrong with the outcome (nothing, if all is well), the
error's text, seconds of processor time, and the most memory, MiB, that the process held meanwhile.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from malformed.case import GOOD, HEAD, Case, Loaded, Posting, Refused

from heptad.runtime import Platform
from heptad.sources import sql
from heptad.sources.config import read_project
from heptad.standards.errors import HeptadError
from heptad.terminal.commands.loading import line, show_quarantine
from heptad.terminal.http.tables import parse
from heptad.terminal.show import cell

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMON = '[engine]\nmemory = "128MB"\nthreads = 1\n'
CLOCK = '[project]\nclock = "2026-01-01"\n' + COMMON
GOOD_SOURCE = '[[source]]\nname = "good"\ntable = "Payment"\nfrom = "good/*.csv"\n'
BASE = {
    "Payment": f"{HEAD}\n{GOOD.replace('p1', 'base')}\n",
    "Customer": "id,event_time,name\nbase,2025-01-01,Ann\n",
    "Card": "id,event_time,customer,number,status\nbase,2025-01-01,c,4111111111111111,active\n",
    "Rate": "id,event_time,base,quote,rate\nbase,2025-01-01,EUR,USD,1.1\n",
    "Order": "id,event_time,customer,quantity,amount,currency\nbase,2025-01-01,c,1,1.00,EUR\n",
}
"""One row of each table, so that every load meets what is there."""

ESCAPES = "".join(map(chr, [*range(9), *range(14, 32), *range(127, 160), 0x202E]))
"""What must never reach a terminal."""


class Bench:
    """An open project, and the state that it is in."""

    def __init__(self, folder: Path, cases: list[Case | Posting]) -> None:
        self.folder, self.cases = folder, cases
        for name in ("in", "good", "base"):
            (folder / name).mkdir(parents=True)
        sources = ""
        for name, text in BASE.items():
            (folder / "base" / f"{name}.csv").write_text(text)
            sources += f'[[source]]\nname = "b {name}"\ntable = "{name}"\nfrom = "base/{name}.csv"\n'
        (folder / "heptad.toml").write_text(CLOCK + sources)
        self._good = 0
        with Platform.open(folder) as platform:
            platform.load()
        self._pristine = folder.with_name("pristine")
        shutil.copytree(folder, self._pristine)
        self.platform = Platform.open(folder)

    def fetch(self, case: Case) -> None:
        """Move the large file that was made for a case to where it belongs."""
        made = self.folder.with_name("made") / str(self.cases.index(case))
        for path in made.iterdir() if case.large else ():
            path.rename(self.folder / "in" / path.name)

    def renew(self) -> None:
        """Go back to the state of the beginning."""
        self.platform.close()
        shutil.rmtree(self.folder)
        shutil.copytree(self._pristine, self.folder)
        self.platform = Platform.open(self.folder)

    def bind(self, text: str | bytes) -> None:
        """Take another project file."""
        data = text.encode() if isinstance(text, str) else text
        (self.folder / "heptad.toml").write_bytes(data)
        project = read_project(self.folder, self.platform.tables)
        self.platform.project = self.platform.loading.project = project

    def state(self) -> dict[str, Any]:
        """Return what the stores hold: versions, rows, and every file."""
        lake = self.platform.lake
        return {
            "tables": {n: (lake.version(n), self.rows(n)) for n in lake.names()},
            "unfinished": [load.id for load in self.platform.catalog.loads.unfinished()],
            "files": sorted(
                (str(p.relative_to(self.folder)), p.stat().st_size)
                for name in ("tables", "quarantine", "log", ".duck")
                for p in (self.folder / name).rglob("*")
            ),
        }

    def rows(self, table: str) -> int:
        """Count the stored row versions of a table."""
        return sum(file.rows for file in self.platform.lake.files(table))

    def load_good(self) -> None:
        """Load a good file; whatever came before, it must go in."""
        self._good += 1
        for old in (self.folder / "good").iterdir():
            old.unlink()
        (self.folder / "good" / "g.csv").write_text(
            f"{HEAD}\n{GOOD.replace('p1', f'good {self._good}')}\n"
        )
        self.bind(COMMON + GOOD_SOURCE)
        (report,) = self.platform.load("good")
        assert (report.read, report.accepted) == (1, 1), report

    def empty(self) -> None:
        """Remove what a case left in `in/` and in quarantine."""
        for path in (self.folder / "in", self.folder / "quarantine"):
            shutil.rmtree(path, ignore_errors=True)
        (self.folder / "in").mkdir()


def outcome(bench: Bench, case: Case | Posting) -> Iterator[str]:
    """Run a case; yield what is wrong with what became of it."""
    bench.empty()
    report: Any = None
    error: HeptadError | None = None
    held: Any = None
    before = bench.state()
    try:
        if isinstance(case, Posting):
            body = case.body() if callable(case.body) else case.body
            data = body.encode() if isinstance(body, str) else body
            assert len(data) <= 8 << 20
            report, _ = bench.platform.accept(case.table, parse(data, case.kind))
        else:
            held = case.write(bench.folder / "in")
            bench.fetch(case)
            bench.bind(case.text() if case.project else COMMON + str(case.text()))
            before = bench.state()
            (report,) = bench.platform.load(None, progress=_changing(bench, case))
    except HeptadError as met:
        error = met
    finally:
        if held is not None:
            held.close()
    case_said.update(error=str(error) if error else "", report=str(report))
    yield from _judged(bench, case, before, report, error)
    yield from _leaks(bench, case, report, error)


case_said: dict[str, str] = {}


def _changing(bench: Bench, case: Case) -> Any:
    """Return what changes the file while it is read."""

    def change(what: str, share: float) -> None:  # noqa: ARG001
        if case.changing and "rows" in what:
            with (bench.folder / "in" / case.file).open("ab") as file:
                file.write(case.changing)

    return change


def _judged(
    bench: Bench, case: Case | Posting, before: dict[str, Any], report: Any, error: Any
) -> Iterator[str]:
    """Compare what happened with what must happen."""
    after, wants = bench.state(), case.wants
    if after["unfinished"]:
        yield f"loads are left unfinished: {after['unfinished']}"
    left = [f for f, _ in after["files"] if ".stage" in f or ".plan" in f or "draft" in f]
    if left:
        yield f"left behind: {left}"
    if error is not None:
        yield from _kept(before, after)
        if not (error.what and error.do and (error.shown or error.place)):
            yield f"the error lacks what, got or do: {error!r}"
        if not isinstance(wants, Refused):
            yield f"refused, though {wants}"
            return
        said = str(error)
        if error.code != wants.code or not all(word in said for word in wants.words):
            yield f"wanted {wants}, got {error.code}: {said[:600]}"
        return
    if isinstance(wants, Refused):
        yield f"wanted {wants}, got {report}"
        return
    got = _counts(report)
    if got != (wants.rows, wants.duplicates, dict(wants.reasons)):
        yield f"wanted {wants}, got {got}"
    if bench.rows(case.table) != before["tables"][case.table][1] + got[0]:
        yield "the table does not hold what the report says"
    kept = sum(bench.platform.loading.quarantine.counts(case.table).values())
    if kept != sum(got[2].values()):
        yield f"quarantine holds {kept} rows"
    if isinstance(case, Case) and report.read != got[0] + got[1] + sum(got[2].values()):
        yield f"read {report.read} rows, of which some are lost"


def _counts(report: Any) -> tuple[int, int, dict[str, int]]:
    """Return rows accepted, rows dropped as duplicates, rows refused by reason."""
    if hasattr(report, "rejected"):
        reasons = Counter(row.reason for row in report.rejected)
        return len(report.accepted), len(report.duplicates), dict(reasons)
    return report.accepted, report.duplicates, dict(report.quarantined)


def _kept(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Yield what a refused input changed."""
    for name, was in before.items():
        if after[name] != was:
            changed = [x for x in after[name] if x not in was] if name == "files" else after[name]
            yield f"{name} changed: {changed}"


def _leaks(bench: Bench, case: Case | Posting, report: Any, error: Any) -> Iterator[str]:
    """Look for secrets and escape sequences in all that people see, and in the stores."""
    shown = [str(error), json.dumps(error.to_dict(), ensure_ascii=False)] if error else [str(report)]
    if report is not None and hasattr(report, "findings"):
        shown.append(cell(line(report)))
    if report is not None and case.table in bench.platform.tables:
        shown += [cell(row) for row in show_quarantine(bench.platform, case.table)["rows"]]
    for text in shown:
        if "Traceback" in text or 'File "' in text:
            yield f"a traceback is shown: {text}"
        if found := set(text) & set(ESCAPES):
            yield f"control characters are shown: {found} in {text[:300]!r}"
        if any(secret in text for secret in case.secrets):
            yield f"a secret is shown: {text[:300]}"
    for secret in case.secrets:
        stored = [p for n in ("tables", "quarantine", "catalog.sqlite") for p in _files(bench.folder / n)]
        yield from (f"a secret lies in {p}" for p in stored if secret.encode() in p.read_bytes())


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]


def peak() -> float:
    """Return the most memory held since the last call, MiB."""
    status = Path("/proc/self/status").read_text()
    held = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(held.split()[1]) / 1024


def run(bench: Bench, case: Case | Posting) -> dict[str, Any]:
    """Run a case, then load a good file, and tell."""
    case_said.clear()
    peak()
    begun = time.process_time()
    try:
        wrong = list(outcome(bench, case))
    except Exception:
        wrong = [traceback.format_exc()]
    seconds, held = time.process_time() - begun, peak()
    try:
        bench.load_good()
    except Exception:
        wrong.append(f"a good file is not loaded afterwards: {traceback.format_exc()}")
    if wrong or isinstance(case.wants, Loaded):
        bench.renew()
    return {"name": case.name, "wrong": wrong, "cpu_s": round(seconds, 3), "mib": round(held)} | case_said


def main(chapter: str, folder: str) -> None:
    """Run a chapter."""
    sql.LONGEST_WAIT_S = sql.LOCKED_WAIT_S = 1.0
    cases = importlib.import_module(f"malformed.{chapter}").CASES
    made = [sys.executable, "-m", "malformed.maker", chapter, f"{folder}/made"]
    subprocess.run(made, check=True)
    bench = Bench(Path(folder).resolve() / "project", cases)
    for case in cases:
        print(json.dumps({"begin": case.name}), flush=True)
        print(json.dumps(run(bench, case)), flush=True)
    bench.platform.close()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"end": chapter, "mib": round(most), "pid": os.getpid()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
