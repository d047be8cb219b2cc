# SPDX-License-Identifier: Apache-2.0
"""Which keys a table holds, kept in memory as hashes, so that small loads need not read it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from heptad.engine.local.relations import relation_of
from heptad.ingest.duplicates import identity_sql

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from heptad.engine.local.duck import Duck
    from heptad.engine.local.lake import Lake
    from heptad.standards.tables import Table

    Hashes = NDArray[np.int64]

MOST_ROWS = 50_000_000
"""A table with more row versions is read instead: its hashes would take too much memory."""

_TABLES = 8
_MERGE = 200_000


class _Held(NamedTuple):
    """The hashes of a table, sorted, and the number of the file that each is in."""

    hashes: Hashes
    files: NDArray[np.int32]

    def find(self, wanted: Hashes) -> tuple[Hashes, NDArray[np.int32]]:
        low = np.searchsorted(self.hashes, wanted, side="left")
        high = np.searchsorted(self.hashes, wanted, side="right")
        hit = high > low
        places = [np.arange(a, b) for a, b in zip(low[hit], high[hit], strict=True)]
        at = np.concatenate(places) if places else np.empty(0, np.int64)
        return wanted[hit], self.files[at]

    def merged(self, hashes: Hashes, file: int) -> _Held:
        both = np.concatenate([self.hashes, hashes])
        files = np.concatenate([self.files, np.full(len(hashes), file, np.int32)])
        order = np.argsort(both, kind="stable")
        return _Held(both[order], files[order])


class Identities:
    """The identity hashes of the tables that rows were posted to last.

    Args:
        lake: holds the tables.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._tables: OrderedDict[str, Index] = OrderedDict()

    def of(self, table: type[Table], duck: Duck) -> Index | None:
        """Return the hashes of a table as it is stored now; None if there are too many."""
        name = table.__name__
        files = self._lake.files(name)
        if sum(file.rows for file in files) > MOST_ROWS:
            self._tables.pop(name, None)
            return None
        self._lake.check(name)
        index = self._tables.setdefault(name, Index(table))
        self._tables.move_to_end(name)
        index.follow({file.path: self._lake.folder / name / file.path for file in files}, duck)
        while len(self._tables) > _TABLES:
            self._tables.popitem(last=False)
        return index

    def note(self, table: type[Table], hashes: Hashes) -> None:
        """Remember what was just stored, if all of it lies in one new file."""
        name = table.__name__
        index = self._tables.get(name)
        if index is not None:
            files = {file.path for file in self._lake.files(name)} - index.files
            if len(files) == 1:
                path = files.pop()
                index.note(path, self._lake.folder / name / path, hashes)


class Index:
    """The hashes of one table: a large sorted part, and a small one for what came last."""

    def __init__(self, table: type[Table]) -> None:
        self._table = table
        self._empty()

    def _empty(self) -> None:
        none = _Held(np.empty(0, np.int64), np.empty(0, np.int32))
        self._old = self._new = none
        self._paths: dict[str, Path] = {}
        self._numbers: list[str] = []

    def follow(self, files: dict[str, Path], duck: Duck) -> None:
        """Bring the hashes up to the files of a version; only new files are read."""
        if self._paths.keys() - files.keys():
            self._empty()
        for path in files.keys() - self._paths.keys():
            relation = relation_of([str(files[path])], self._table.columns())
            sql = f"SELECT {identity_sql(self._table)} AS h FROM {relation} AS kept"
            parts = [b.column(0).to_numpy() for b in duck.batches(sql)]
            self.note(path, files[path], np.concatenate([np.empty(0, np.int64), *parts]))

    @property
    def files(self) -> frozenset[str]:
        """The files whose hashes are known, by path inside the table's folder."""
        return frozenset(self._paths)

    def note(self, path: str, place: Path, hashes: Hashes) -> None:
        """Remember the hashes of a file."""
        self._numbers.append(path)
        self._paths[path] = place
        self._new = self._new.merged(hashes, len(self._numbers) - 1)
        if len(self._new.hashes) > _MERGE:
            both = np.concatenate([self._old.hashes, self._new.hashes])
            files_of = np.concatenate([self._old.files, self._new.files])
            order = np.argsort(both, kind="stable")
            none = _Held(np.empty(0, np.int64), np.empty(0, np.int32))
            self._old, self._new = _Held(both[order], files_of[order]), none

    def find(self, wanted: Hashes) -> Hashes:
        """Return those of some hashes that the table holds."""
        return np.union1d(self._old.find(wanted)[0], self._new.find(wanted)[0])

    def relation(self, hashes: Hashes) -> str:
        """Return the relation of the files that hold rows of some hashes."""
        unique = np.unique(hashes)
        parts = [self._old.find(unique)[1], self._new.find(unique)[1]]
        numbers = np.unique(np.concatenate(parts)).tolist()
        paths = [str(self._paths[self._numbers[n]]) for n in numbers]
        return relation_of(paths, self._table.columns())
