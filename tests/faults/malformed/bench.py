# SPDX-License-Identifier: Apache-2.0
"""An open project into which anything may be loaded, and the state that it is in."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from tests.faults.malformed.case import GOOD, HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator

from heptad.runtime import Platform
from heptad.sources.config import read_project

CLOCK = '[project]\nclock = "2026-01-01"\n'
GOOD_SOURCE = '[[source]]\nname = "good"\ntable = "Payment"\nfrom = "good/*.csv"\n'
BASE = {
    "Payment": f"{HEAD}\n{GOOD.replace('p1', 'base')}\n",
    "Customer": "id,event_time,name\nbase,2025-01-01,Ann\n",
    "Card": "id,event_time,customer,number,status\nbase,2025-01-01,c,4111111111111111,active\n",
    "Rate": "id,event_time,base,quote,rate\nbase,2025-01-01,EUR,USD,1.1\n",
    "Order": "id,event_time,customer,quantity,amount,currency\nbase,2025-01-01,c,1,1.00,EUR\n",
}
"""One row of each table, so that every load meets what is there."""
LIMIT_MIB = 512
"""Most memory that a process may hold."""


class Bench:
    """An open project of some tables with a row each.

    Args:
        folder: where it is made; its state of the beginning lies beside it.
        tables: which of `BASE`.
    """

    def __init__(self, folder: Path, tables: tuple[str, ...] = tuple(BASE)) -> None:
        self.folder = folder
        for name in ("in", "good", "base"):
            (folder / name).mkdir(parents=True)
        sources = ""
        for name in tables:
            (folder / "base" / f"{name}.csv").write_text(BASE[name])
            sources += (
                f'[[source]]\nname = "b {name}"\ntable = "{name}"\nfrom = "base/{name}.csv"\n'
            )
        (folder / "heptad.toml").write_text(CLOCK + sources)
        self._good = 0
        self._keys: set[str] = set()
        self._given: set[str] = set()
        with Platform.open(folder) as platform:
            platform.load()
        self._pristine = folder.with_name("pristine")
        shutil.copytree(folder, self._pristine)
        self.platform = Platform.open(folder)

    def renew(self) -> None:
        """Go back to the state of the beginning."""
        self.platform.close()
        shutil.rmtree(self.folder)
        shutil.copytree(self._pristine, self.folder)
        self.platform = Platform.open(self.folder)
        self._keys.clear()
        self._given.clear()

    def make_room(self, given: object) -> None:
        """Go back to the beginning if what is given may bring what is there already."""
        known = not isinstance(given, str) or not self._keys.isdisjoint(_words(given))
        if (self._keys and known) or given in self._given:
            self.renew()
        if isinstance(given, str):
            self._given.add(given)

    def remember(self, table: str, before: set[str]) -> None:
        """Remember the keys of the rows in the files of a table that were not there before."""
        for path in self.paths(table) - before:
            stored = pq.read_table(self.folder / "tables" / table / path, columns=["id"])
            self._keys |= set(stored["id"].to_pylist())

    def paths(self, table: str) -> set[str]:
        """Return the files of a table."""
        known = table in self.platform.tables
        return {file.path for file in self.platform.lake.files(table)} if known else set()

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
                found
                for name in ("tables", "quarantine", "log", ".duck")
                for found in _found(str(self.folder / name))
            ),
        }

    def rows(self, table: str) -> int:
        """Count the stored row versions of a table."""
        return sum(file.rows for file in self.platform.lake.files(table))

    def refused(self, table: str) -> int:
        """Count the rows in quarantine."""
        return sum(self.platform.loading.quarantine.counts(table).values())

    def load_good(self) -> None:
        """Load a good file; whatever came before, it must go in, and be all that is added."""
        self._good += 1
        for old in (self.folder / "good").iterdir():
            old.unlink()
        row = GOOD.replace("p1", f"good{self._good}")
        (self.folder / "good" / "g.csv").write_text(f"{HEAD}\n{row}\n")
        self.bind(CLOCK + GOOD_SOURCE)
        before = self.rows("Payment")
        (report,) = self.platform.load("good")
        assert (report.read, report.accepted) == (1, 1), report
        assert self.rows("Payment") == before + 1

    def empty(self) -> None:
        """Remove what a case left in `in/` and in quarantine."""
        shutil.rmtree(self.folder / "in", ignore_errors=True)
        (self.folder / "in").mkdir()
        quarantine = self.platform.loading.quarantine
        for table in quarantine.tables():
            quarantine.drop(table)


def _found(folder: str) -> Iterator[tuple[str, int]]:
    """Find the files under a folder, with their sizes."""
    if Path(folder).is_dir():
        for entry in os.scandir(folder):
            if entry.is_dir():
                yield from _found(entry.path)
            else:
                yield entry.path, entry.stat().st_size


def _words(text: str) -> set[str]:
    return set(re.split(r"\W+", text))
