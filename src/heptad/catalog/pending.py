# SPDX-License-Identifier: Apache-2.0
"""Rows that are durable in the journal and not yet in their table, and the versions they will make.

Rows are gathered in batches, each of which becomes exactly the next version of its table. So what
is decided on a row can name the version that holds it before that version is made.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from heptad.catalog.courtesy import awaited
from heptad.catalog.pouring import pour, poured, settled
from heptad.engine.local.journal import Journal
from heptad.standards.errors import Busy, Conflict
from heptad.standards.locks import is_free

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from heptad.catalog.loading import Loading
    from heptad.standards.tables import Table

    Row = dict[str, Any]

MOST = 200_000
"""Rows of one table that may wait to be stored; then it takes no more until they are."""


class Waiting(msgspec.Struct, array_like=True, frozen=True):
    """One record of the journal: a row as it will be stored, and the version that will hold it."""

    table: str
    version: int
    row: dict[str, Any]


@dataclass
class _Batch:
    """Rows that become one version."""

    version: int
    rows: list[Row] = field(default_factory=list)
    first: int = 0
    until: int = 0
    held: bool = False


class Line:
    """What waits for one table.

    Attributes:
        table: the table.
        version: the version that the table has, as far as readers of this line know.
        shut: how many hold the line shut: no row is taken meanwhile.
        pours: held while rows are stored.
    """

    def __init__(self, table: type[Table], version: int) -> None:
        self.table, self.version = table, version
        self.shut = 0
        self.pours = threading.RLock()
        self.batches: deque[_Batch] = deque()
        self.broken = False

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return sum(len(batch.rows) for batch in list(self.batches))

    @property
    def fresh(self) -> int:
        """How many rows wait that nobody is storing."""
        return sum(len(batch.rows) for batch in list(self.batches) if not batch.held)

    @property
    def coming(self) -> int:
        """The version that holds every row taken so far."""
        return self.batches[-1].version if self.batches else self.version


class Pending:
    """All rows that wait, and the journal that they are durable in.

    Args:
        folder: of the journal.
        loading: stores the rows.

    Attributes:
        gate: held while rows are taken, and whenever a line's version or batches change. Whoever
            holds it waits for no other lock.
    """

    def __init__(self, folder: Path, loading: Loading) -> None:
        self.folder, self._loading = folder, loading
        self.gate = threading.RLock()
        self.lines: dict[str, Line] = {}
        self._journal: Journal | None = None
        self._one = threading.Lock()
        self._waiters: set[int] = set()

    @property
    def free(self) -> bool:
        """Whether whoever takes rows now need not wait for the gate."""
        return is_free(self.gate)

    def recover(self) -> int:
        """Store what a kill left in the journal; return how many rows that were.

        Each batch becomes the version that it was promised, so that decisions that name it find it.
        """
        if not self.folder.is_dir() or not any(self.folder.iterdir()):
            return 0
        done: dict[str, tuple[int, int]] = {}
        waiting: dict[tuple[str, Any], tuple[int, Waiting]] = {}
        for place, data in self._opened().read():
            record = msgspec.msgpack.decode(data, type=Waiting)
            name = record.table
            if name not in done:
                done[name] = poured(self._loading, name), self._loading.lake.version(name)
            # A row whose append the disk refused may be there all the same. If its version was
            # made without it, it was never answered; if it was sent again, the later one was.
            until, version = done[name]
            if place >= until and record.version > version:
                key = name, record.row[self._loading.table(name).key.name]
                waiting.pop(key, None)
                waiting[key] = place, record
        found: dict[tuple[str, int], _Batch] = {}
        for place, record in waiting.values():
            batch = found.setdefault((record.table, record.version), _Batch(record.version))
            batch.rows.append(_typed(self._loading.table(record.table), record.row))
            batch.until = place + 1
        for (name, _), batch in sorted(found.items()):
            pour(self._loading, self._loading.table(name), batch.rows, batch.until)
        self.close()
        return sum(len(batch.rows) for batch in found.values())

    def open(self, table: type[Table]) -> Line:
        """Let rows of a table be taken from now on."""
        name = table.__name__
        self._loading.ensure(table)
        with self.gate:
            return self.lines.setdefault(name, Line(table, self._loading.lake.version(name)))

    def take(self, taken: Sequence[tuple[Line, Sequence[Row]]]) -> None:
        """Take checked rows, durable at return; call it with the gate held.

        Args:
            taken: lines that are not shut, each with rows as `pour` takes them.

        Raises:
            Busy: if too many wait already, or the disk refused; nothing was taken then.
        """
        if any(line.rows + len(rows) > MOST for line, rows in taken):
            raise Busy("Too many rows wait to be stored.", do="send them again in a second")
        batches = [_open_batch(line) for line, _ in taken]
        records = [
            msgspec.msgpack.encode(Waiting(line.table.__name__, batch.version, row))
            for (line, rows), batch in zip(taken, batches, strict=True)
            for row in rows
        ]
        place = self._opened().append(records).start
        for (line, rows), batch in zip(taken, batches, strict=True):
            if not batch.rows:
                line.batches.append(batch)
                batch.first = place
            batch.rows.extend(rows)
            place = batch.until = place + len(rows)

    def pour(self, name: str) -> None:
        """Store all rows that wait for a table by now; whoever reads it calls this before.

        Raises:
            HeptadError: why they were not stored; they go on waiting.
        """
        line = self.lines.get(name)
        if line is None or not line.batches:
            return
        # Rows keep coming while some are stored; they wait for the next time, and are many then.
        last = line.coming
        with self._alone(line):
            # A batch that is being stored by this very thread reads the table, too.
            while line.batches and line.batches[0].version <= last and not line.batches[0].held:
                self._pour(line)

    @contextmanager
    def _alone(self, line: Line) -> Iterator[None]:
        """Let one thread store rows of a line, and hurry while others wait for that."""
        if not line.pours.acquire(blocking=False):
            self._waiters.add(me := threading.get_ident())
            try:
                line.pours.acquire()
            finally:
                self._waiters.discard(me)
        try:
            with awaited(lambda: bool(self._waiters)):
                yield
        finally:
            line.pours.release()

    def pour_all(self) -> None:
        """Store all rows that wait."""
        for name in list(self.lines):
            self.pour(name)

    def _pour(self, line: Line) -> None:
        """Store the first batch of a line."""
        name = line.table.__name__
        with self.gate:
            batch = line.batches[0]
            batch.held = True
        try:
            if line.broken:
                settled(self._loading, name)
                line.broken = False
            if poured(self._loading, name) < batch.until:
                line.broken = True
                with self._one:
                    made = pour(self._loading, line.table, batch.rows, batch.until).version
                line.broken = False
                if made != batch.version:
                    raise Conflict(
                        f"{name} was changed while rows waited for it.",
                        got=f"version {made}, not {batch.version}",
                        do="run `heptad doctor`",
                    )
            with self.gate:
                line.batches.popleft()
                line.version = batch.version
        finally:
            batch.held = False

    @contextmanager
    def shut(self, names: Sequence[str]) -> Iterator[None]:
        """Let nothing wait for some tables while the block changes them.

        Raises:
            HeptadError: if what waits cannot be stored; the block is not entered then.
        """
        lines = [line for name in names if (line := self.lines.get(name))]
        with self.gate:
            for line in lines:
                line.shut += 1
        try:
            for line in lines:
                self.pour(line.table.__name__)
            yield
        finally:
            with self.gate:
                for line in lines:
                    line.shut -= 1

    def moved(self, name: str) -> None:
        """Note that a table has another version; call it with the gate held and its line shut."""
        if (line := self.lines.get(name)) is not None:
            line.version = self._loading.lake.version(name)

    def trim(self, *, whole: bool = False) -> None:
        """Remove what the journal holds of rows that are stored.

        Args:
            whole: all of it, wherever rows lie beside each other; else only what lies apart.
        """
        with self.gate:
            left = whole and self.folder.is_dir() and any(self.folder.iterdir())
            if self._journal is None and not left:
                return
            journal = self._opened()
            if whole:
                journal.turn()
            waits = [line.batches[0].first for line in self.lines.values() if line.batches]
            journal.drop(min(waits, default=2**63 - 1))

    def close(self) -> None:
        """Let the journal go; remove it if nothing waits."""
        if self._journal is not None:
            journal, self._journal = self._journal, None
            try:
                if not any(line.batches for line in self.lines.values()):
                    journal.remove()
            except Busy:
                pass  # whatever is left is removed after the project is opened next
            finally:
                journal.close()

    def _opened(self) -> Journal:
        """Return the journal, opened once; its places go on beyond what any table holds of it."""
        if self._journal is None:
            names = self._loading.lake.names()
            beyond = max((poured(self._loading, name) for name in names), default=0)
            self._journal = Journal(self.folder, beyond)
        return self._journal


def _open_batch(line: Line) -> _Batch:
    """Return the batch that the next rows of a line join."""
    last = line.batches[-1] if line.batches else None
    return _Batch(line.coming + 1) if last is None or last.held else last


def _typed(table: type[Table], row: Mapping[str, Any]) -> Row:
    """Return a row as it was before it was written: its days are days again."""
    days = {c.name for f in table.fields.values() for c in f.columns() if c.kind == "day"}
    return {
        name: date.fromisoformat(value) if name in days and value is not None else value
        for name, value in row.items()
    }
