# SPDX-License-Identifier: Apache-2.0
"""Runs the malformed inputs, each chapter in a process of its own, and tells what each did.

    python -m tests.faults.malformed.worker FOLDER [CHAPTER …] [--each]

Each chapter writes FOLDER/CHAPTER.jsonl, one line per case: its name, what is wrong with the
outcome (nothing, if all is well), what was said, seconds of processor time, and the most memory,
MiB, that the process held meanwhile. The processes are forked, so that imports cost once.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tests.faults.malformed.bench import CLOCK, Bench
from tests.faults.malformed.case import Case, Loaded, Posting, Refused

from heptad.runtime import discover
from heptad.sources import sql
from heptad.standards.errors import HeptadError
from heptad.terminal.commands.loading import line, show_quarantine
from heptad.terminal.http.tables import parse
from heptad.terminal.show import cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHAPTERS = (
    "values", "parquet", "text", "posted", "packed", "lined", "project", "places", "databases",
)  # fmt: skip
"""The longest first."""
AT_ONCE = 2
WARM = ("numpy", "pyarrow.parquet", "duckdb", "deltalake", "sqlglot", "alembic.command",
        "sqlalchemy.dialects.sqlite", "msgspec", "heptad.catalog.loading", "heptad.service.decisions.desk",
        "heptad.engine.local.duck", "heptad.engine.local.lake", "heptad.engine.local.segments",
        "heptad.security.ledger", "heptad.sources.config", "heptad.sources.readers")  # fmt: skip
"""Imported before the first fork."""
OWED = 8
"""After so many refusals in a row a good file is loaded, unless it is after each."""

ESCAPES = "".join(map(chr, [*range(9), *range(14, 32), *range(127, 160), 0x202E]))
"""What must never reach a terminal."""


class Trial:
    """One case, and what became of it."""

    def __init__(self, bench: Bench, case: Case | Posting, made: Path) -> None:
        self.bench, self.case, self._made = bench, case, made
        self.report: Any = None
        self.error: HeptadError | None = None

    def run(self) -> Iterator[str]:
        """Load or post it; yield what is wrong with what became of it."""
        self.bench.make_room(None if self.case.changing else self.case.given)
        self.bench.empty()
        held: Any = None
        paths = self.bench.paths(self.case.table)
        self.before = self.bench.state()
        try:
            if isinstance(self.case, Posting):
                self._post(self.case)
            else:
                held = self.case.write(self.bench.folder / "in")
                self._fetch()
                self.bench.bind(
                    self.case.text() if self.case.project else CLOCK + str(self.case.text())
                )
                self.before = self.bench.state()
                self._load()
        except HeptadError as met:
            self.error = met
        finally:
            if hasattr(held, "close"):
                held.close()
        self.bench.remember(self.case.table, paths)
        yield from self._judged()
        yield from self._leaks()

    def _post(self, case: Posting) -> None:
        body = case.given() if callable(case.given) else case.given
        data = body.encode() if isinstance(body, str) else body
        assert len(data) <= 8 << 20
        self.report, _ = self.bench.platform.accept(case.table, parse(data, case.kind))

    def _load(self) -> None:
        sources = self.bench.platform.project.sources
        name = sources[0].name if sources else "case"
        (self.report,) = self.bench.platform.load(name, progress=self._changing)

    def _changing(self, what: str, share: float) -> None:
        """Change the file while it is read."""
        if self.case.changing and "rows" in what:
            with (self.bench.folder / "in" / self.case.file).open("ab") as file:
                file.write(self.case.changing)

    def _fetch(self) -> None:
        """Move the large file that was made for the case to where it belongs."""
        for path in self._made.iterdir() if self._made.is_dir() else ():
            path.rename(self.bench.folder / "in" / path.name)

    def _judged(self) -> Iterator[str]:
        """Compare what happened with what must happen."""
        after = self.bench.state()
        if after["unfinished"]:
            yield f"loads are left unfinished: {after['unfinished']}"
        left = [f for f, _ in after["files"] if ".stage" in f or ".plan" in f or "draft" in f]
        if left:
            yield f"left behind: {left}"
        if self.error is not None:
            yield from self._refused(self.error, after)
        elif isinstance(self.case.wants, Refused):
            yield f"wanted {self.case.wants}, got {self.report}"
        else:
            yield from self._loaded(self.case.wants)

    def _refused(self, error: HeptadError, after: dict[str, Any]) -> Iterator[str]:
        for name, was in self.before.items():
            if after[name] != was:
                files = name == "files"
                changed = [x for x in after[name] if x not in was] if files else after[name]
                yield f"{name} changed: {changed}"
        wants, said = self.case.wants, str(error)
        if not (error.what and error.do and (error.shown or error.place)):
            yield f"the error lacks what, got or do: {error!r}"
        if not isinstance(wants, Refused):
            yield f"wanted {wants}, got {said}"
        elif error.code != wants.code or not all(word in said for word in wants.words):
            yield f"wanted {wants}, got {error.code}: {said[:600]}"

    def _loaded(self, wants: Loaded) -> Iterator[str]:
        accepted, duplicates, reasons = got = _counts(self.report)
        if got != (wants.rows, wants.duplicates, dict(wants.reasons)):
            yield f"wanted {wants}, got {got}"
        table, (_, rows) = self.case.table, self.before["tables"][self.case.table]
        if self.bench.rows(table) != rows + accepted:
            yield "the table does not hold what the report says"
        if (kept := self.bench.refused(table)) != sum(reasons.values()):
            yield f"quarantine holds {kept} rows"
        if isinstance(self.case, Case):
            lost = self.report.read - accepted - duplicates - sum(reasons.values())
            if lost:
                yield f"of {self.report.read} rows {lost} are lost"

    def _leaks(self) -> Iterator[str]:
        """Look for secrets and escape sequences in all that people see, and in the stores."""
        for text in self._shown():
            if "Traceback" in text or 'File "' in text:
                yield f"a traceback is shown: {text}"
            if found := set(text) & set(ESCAPES):
                yield f"control characters are shown: {found} in {text[:300]!r}"
            if any(secret in text for secret in self.case.secrets):
                yield f"a secret is shown: {text[:300]}"
        places = [self.bench.folder / n for n in ("tables", "quarantine", "catalog.sqlite")]
        stored = [p for place in places for p in _files(place)] if self.case.secrets else []
        for secret in self.case.secrets:
            yield from (
                f"a secret lies in {p}" for p in stored if secret.encode() in p.read_bytes()
            )

    def _shown(self) -> list[str]:
        error, report, platform = self.error, self.report, self.bench.platform
        if error is not None:
            return [str(error), json.dumps(error.to_dict(), ensure_ascii=False)]
        shown = [str(report)]
        if hasattr(report, "findings"):
            shown.append(cell(line(report)))
        rows = show_quarantine(platform, self.case.table)["rows"] if report is not None else ()
        return [*shown, *map(cell, rows)]


def _counts(report: Any) -> tuple[int, int, dict[str, int]]:
    """Return rows accepted, rows dropped as duplicates, rows refused by reason."""
    if hasattr(report, "rejected"):
        reasons = Counter(row.reason for row in report.rejected)
        return len(report.accepted), len(report.duplicates), dict(reasons)
    return report.accepted, report.duplicates, dict(report.quarantined)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]


def peak() -> int:
    """Return the most memory held since the last call, MiB."""
    status = Path("/proc/self/status").read_text()
    held = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(held.split()[1]) >> 10


class Chapter:
    """The cases of a module, run one after another in one project.

    A large file has a process and a project of its own: what is told is what the file takes, and
    not what those before it left.

    Args:
        name: of the module.
        folder: of all chapters.
        each: load a good file after each case, not only after some that were refused.
    """

    def __init__(self, name: str, folder: Path, *, each: bool) -> None:
        self.cases = importlib.import_module(f"tests.faults.malformed.{name}").CASES
        self._folder, self._made = folder / name, folder / name / "made"
        self._allowed, self._owed = 0 if each else OWED, 0

    def make(self) -> None:
        """Make the large files, which takes more memory than reading them may."""
        for number, case in enumerate(self.cases):
            if getattr(case, "large", None):
                made = self._made / str(number)
                made.mkdir(parents=True)
                case.large(made)

    def run(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """Run the cases."""
        sql.LONGEST_WAIT_S = sql.LOCKED_WAIT_S = 1.0
        large = [n for n, case in enumerate(self.cases) if getattr(case, "large", None)]
        for number in large:
            os.waitpid(_forked(lambda n=number: self._several([n], str(n), tell)), 0)  # type: ignore[misc]
        self._several([n for n in range(len(self.cases)) if n not in large], "all", tell)

    def _several(
        self, numbers: list[int], project: str, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        """Run some cases in a project of theirs."""
        bench = Bench(self._folder / project / "project")
        for number in numbers:
            tell({"begin": self.cases[number].name})
            tell(self._run(bench, self.cases[number], number, last=number == numbers[-1]))
        bench.platform.close()

    def _run(
        self, bench: Bench, case: Case | Posting, number: int, *, last: bool
    ) -> dict[str, Any]:
        trial = Trial(bench, case, self._made / str(number))
        peak()
        begun = time.process_time()
        try:
            wrong = list(trial.run())
        except Exception:
            wrong = [traceback.format_exc()]
        seconds, held = time.process_time() - begun, peak()
        self._owed = self._owed + 1 if trial.error else 0
        try:
            if wrong or self._owed > self._allowed or last:
                bench.load_good()
                self._owed = 0
        except Exception:
            wrong.append(f"a good file is not loaded afterwards: {traceback.format_exc()}")
        if wrong:
            bench.renew()
        said = {"error": str(trial.error or ""), "report": str(trial.report)}
        return {"name": case.name, "wrong": wrong, "cpu_s": round(seconds, 3), "mib": held} | said


def _forked(work: Callable[[], None]) -> int:
    """Do a piece of work in a child; return its number."""
    if pid := os.fork():
        return pid
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _written(chapter: Chapter, path: Path) -> None:
    with path.open("w") as out:
        chapter.run(lambda told: _tell(out, told))


def _tell(out: TextIO, told: dict[str, Any]) -> None:
    out.write(json.dumps(told) + "\n")
    out.flush()


def main(folder: Path, names: list[str], *, each: bool) -> None:
    """Run chapters, some at once."""
    for module in WARM:
        importlib.import_module(module)
    discover()
    chapters = {name: Chapter(name, folder, each=each) for name in names or CHAPTERS}
    running: set[int] = set()
    for name, chapter in chapters.items():
        os.waitpid(_forked(chapter.make), 0)
        if len(running) == AT_ONCE:
            running.discard(os.wait()[0])
        path = folder / f"{name}.jsonl"
        running.add(_forked(lambda c=chapter, p=path: _written(c, p)))  # type: ignore[misc]
    while running:
        running.discard(os.wait()[0])


if __name__ == "__main__":
    asked = [a for a in sys.argv[2:] if not a.startswith("--")]
    main(Path(sys.argv[1]).resolve(), asked, each="--each" in sys.argv)
