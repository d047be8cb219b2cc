# SPDX-License-Identifier: Apache-2.0
"""All reels of a project, kept current while it runs: built aside, caught up after every load."""

from __future__ import annotations

import logging
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from heptad.catalog.courtesy import awaited
from heptad.catalog.keyset import KeySet
from heptad.engine.local.relations import relation_of
from heptad.engine.sql.identifiers import quote
from heptad.service.reads.asof import read_sql
from heptad.service.stream.brought import Load, follows
from heptad.service.stream.cold import PREFIX
from heptad.service.stream.rates import Rates
from heptad.service.stream.reels import Reel, reels_of
from heptad.service.stream.slots import FOREVER, Slot
from heptad.standards.errors import ContractError
from heptad.standards.model import Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from heptad.catalog.loading import Loading
    from heptad.catalog.pending import Pending
    from heptad.service.app import App
    from heptad.service.batch.windows import Stored
    from heptad.service.reads.reads import Reads
    from heptad.service.stream.cold import Cold
    from heptad.standards import Table

    Row = Mapping[str, Any]

_LOG = logging.getLogger("heptad.quick")
AT_ONCE = 100_000
"""Rows of one load that reels take while callers wait; after more they are built anew."""
NOBODY: frozenset[str] = frozenset()


class Current:
    """What the features of every application are made from, in memory.

    Everything but `build` is called with the gate of `pending` held, unless it says otherwise.

    Args:
        apps: those whose rows are decided at once; their reads rest on no consent.
        reads: reads tables, in the session of the calling thread.
        pending: rows that wait to be stored.
        loading: tells what loads bring.
        now: the present, microseconds.
        cold: told a name and how many events there are, makes the place in the row store where a
            stream of them lies in part once they are too many for memory; None if never.

    Attributes:
        slots: application → its reels; an application that a stream cannot serve has none.
        keys: table → the keys that it holds; None while they are being read.
        old: set when something is to be built.
        arrived: when rows last came with a load, microseconds.
    """

    def __init__(
        self,
        apps: Iterable[App],
        reads: Reads,
        pending: Pending,
        loading: Loading,
        now: Callable[[], int],
        cold: Callable[[str, int], Cold | None] = lambda *_: None,
    ) -> None:
        self._cold = cold
        self._reads, self._pending, self._loading = reads, pending, loading
        self._now, self.slots = now, dict[str, list[Slot]]()
        self.keys: dict[str, KeySet | None] = {}
        self._turns: dict[str, int] = {}
        self._versions: dict[str, int] = {}
        self._used: dict[str, list[str]] = {}
        self.rates: Rates | None = None
        self._rates_until = FOREVER
        self.old, self._dropped = threading.Event(), False
        self.arrived = loading.catalog.loads.arrival()
        used: set[type[Table]] = set()
        for app in apps:
            try:
                shapes = reels_of(app.on, app.features.values())
            except ContractError:
                continue
            self.slots[app.name] = [Slot(app, shape.features) for shape in shapes]
            used.update(app.used_tables())
        for table in used:
            loading.ensure(table)
            self._versions[table.__name__] = loading.lake.version(table.__name__)

    def watch(self, table: type[Table]) -> None:
        """Learn the keys of a table."""
        self.keys[table.__name__] = None
        self._turns[table.__name__] = 0
        self.old.set()

    @property
    def all(self) -> list[Slot]:
        """Every slot."""
        return [slot for slots in self.slots.values() for slot in slots]

    @property
    def ready(self) -> bool:
        """Whether everything is built."""
        return all(slot.reel for slot in self.all) and None not in self.keys.values()

    def served(self, app: App, k: int) -> bool:
        """Whether rows of an application that are known at k can be served from its reels."""
        slots = self.slots.get(app.name)
        if slots is None:
            return False
        for slot in slots:
            until = min(slot.until, self._rates_until if slot.shape.converted else FOREVER)
            if slot.reel is not None and k >= until:
                self._renew(slot)
        return all(slot.reel is not None for slot in slots)

    def versions(self, app: App) -> dict[str, int]:
        """Return the version, made or to be made, of each table that the reels rest on."""
        lines = self._pending.lines
        if app.name not in self._used:
            self._used[app.name] = [table.__name__ for table in app.used_tables()]
        return {
            name: lines[name].coming if name in lines else self._versions[name]
            for name in self._used[app.name]
        }

    def due(self, k: int) -> None:
        """Let the reels take the stored rows that count as known by k."""
        for slot in self.all:
            while slot.reel is not None and slot.later and slot.later[0]["known_time"] <= k:
                self._put(slot, slot.later.pop(0))

    def next_due(self) -> int:
        """Return when the next stored row comes to be known."""
        return min(
            (slot.later[0]["known_time"] for slot in self.all if slot.later), default=FOREVER
        )

    def put(self, table: type[Table], row: Row, but: Container[Slot] = ()) -> None:
        """Let every reel take a new row, but those that take it otherwise."""
        for slot in self.all:
            if slot.shape.table is table and slot not in but:
                if slot.reel is None:
                    slot.extra.append(row)
                else:
                    self._put(slot, row)

    def _put(self, slot: Slot, row: Row) -> None:
        assert slot.reel is not None  # noqa: S101 - looked at by the caller
        try:
            slot.reel.put(row, self.rates)
        except Exception:  # noqa: BLE001 - the row is taken all the same; the reel is built anew
            _LOG.exception("a reel could not take a row of %s", slot.shape.table.__name__)
            self._renew(slot)

    def came(self, table: type[Table], keys: Sequence[str]) -> None:
        """Have those reels built anew whose events waited for one of these new rows."""
        for slot in self.all:
            if table in slot.shape.walked and not slot.orphans.isdisjoint(keys):
                self._renew(slot)

    def forget(self, slot: Slot) -> None:
        """Have a reel built anew that failed to take a row."""
        self._renew(slot)

    def _renew(self, slot: Slot) -> None:
        slot.renew()
        self.old.set()

    @contextmanager
    def changing(self, names: Sequence[str], *, moved: bool = False) -> Iterator[None]:
        """Store what waits for some tables, let them be changed, and catch up; without the gate.

        Args:
            names: of the tables.
            moved: their rows only come to lie in other files.
        """
        with awaited(), self._pending.shut(names):
            before = {name: self._files(name) for name in names}
            try:
                yield
            finally:
                for name in names:
                    self._changed(name, before[name], moved=moved)

    def _files(self, name: str) -> dict[str, int]:
        """Return the files of a table that is watched, each with its rows."""
        lake = self._loading.lake
        if name not in self._versions and name not in self.keys:
            return {}
        return {file.path: file.rows for file in lake.files(name)} if lake.exists(name) else {}

    def _changed(self, name: str, before: Mapping[str, int], *, moved: bool) -> None:
        """Catch up with what a load brought."""
        self.arrived = self._loading.catalog.loads.arrival()
        after = self._files(name)
        new = {path: rows for path, rows in after.items() if path not in before}
        if moved or not new:
            with self._pending.gate:
                self._note(name)
            return
        few = before.keys() <= after.keys() and sum(new.values()) <= AT_ONCE
        load = self._brought(name, new, few=few)
        with self._pending.gate:
            self._note(name)
            if name == Rate.__name__:
                self.rates = None
            for slot in self.all:
                if slot.reads(name) and not self._follows(slot, load):
                    self._renew(slot)

    def _brought(self, name: str, files: Mapping[str, int], *, few: bool) -> Load:
        """Read what a load brought; if it cannot be read, whatever rests on it is built anew."""
        load = Load(name, None, corrected=True)
        try:
            self._learn(name, files)
            load.corrected = self._corrected(name)
            rows = self._rows(name, files) if few else None
            for slot in self.all:
                if few and slot.shape.links and slot.shape.table.__name__ == name:
                    load.linked[slot] = self._linked(slot, files)
            load.rows = rows
        except Exception:  # noqa: BLE001 - the load is committed; what follows it can be built anew
            _LOG.exception("what a load of %s brought could not be read at once", name)
            if name in self.keys:
                self.keys[name] = None
                self._turns[name] += 1
                self.old.set()
        return load

    def _note(self, name: str) -> None:
        """Note which version a table has now."""
        if name in self._versions:
            self._versions[name] = self._loading.lake.version(name)
        self._pending.moved(name)

    def _learn(self, name: str, files: Iterable[str]) -> None:
        """Learn the keys that a load brought; its line is shut, so nobody else asks for them."""
        known = self.keys.get(name)
        if known is None:
            self._turns[name] = self._turns.get(name, 0) + 1
        else:
            key = quote(self._loading.table(name).key.name)
            for part in self._batches(f"SELECT {key} AS k FROM {self._of(name, files)}"):
                known.fill(part.column(0))

    def _follows(self, slot: Slot, load: Load) -> bool:
        """Let a reel take what a load brought; one that breaks at it is not trusted any more."""
        try:
            return slot.reel is not None and follows(slot, load, self.rates, self.present())
        except Exception:  # noqa: BLE001 - the load is committed; the reel is built anew
            _LOG.exception("a reel could not take what a load of %s brought", load.name)
            return False

    def _corrected(self, name: str) -> bool:
        """Tell whether the last load of a table changed rows that were known."""
        last = self._loading.catalog.loads.recent(name, status="committed", limit=1)
        return bool(last) and last[0].counts.corrections + last[0].counts.deletions > 0

    def _rows(self, name: str, files: Iterable[str]) -> pa.Table:
        """Read the row versions of some files, in the order in which they became known."""
        relation = self._of(name, files)
        sql = f"SELECT * FROM {relation} ORDER BY known_time, _load, _line"
        return self._reads.queries.arrow(sql)

    def _linked(self, slot: Slot, files: Iterable[str]) -> pa.Table:
        """Read the events of some files with the keys that they walk to."""
        for table in slot.shape.walked:
            self._pending.pour(table.__name__)
        relation = self._of(slot.shape.table.__name__, files)
        sql = slot.shape.sql(self._reads.stored, FOREVER, only=relation)
        return self._reads.queries.arrow(sql)

    def _of(self, name: str, files: Iterable[str]) -> str:
        folder = self._loading.lake.folder / name
        return relation_of(
            [f"{folder}/{path}" for path in files], self._loading.table(name).columns()
        )

    def present(self) -> int:
        """Return the instant by which everything that arrived is known, microseconds."""
        return max(self._now(), self.arrived)

    def dropped(self) -> None:
        """Have those streams built anew whose keys in the row store were dropped."""
        self._dropped = True
        self.old.set()

    def build(self) -> None:
        """Build what is old; without the gate, by one thread."""
        self.old.clear()
        if self._dropped:
            self._dropped = False
            with self._pending.gate:
                for slot in self.all:
                    if slot.reel is not None and slot.reel.laid:
                        self._renew(slot)
        for name in [n for n, keys in self.keys.items() if keys is None]:
            self._build_keys(name)
        for slot in self.all:
            if slot.reel is None:
                self._build(slot)

    def _build_keys(self, name: str) -> None:
        """Read the keys of a table."""
        table, turn = self._loading.table(name), self._turns[name]
        found = KeySet()
        relation = self._reads.stored(table).relation
        sql = f"SELECT {quote(table.key.name)} AS k FROM {relation}"
        for part in self._batches(sql):
            found.fill(part.column(0))
        with self._pending.gate:
            if turn == self._turns[name]:
                self.keys[name] = found
            else:
                self.old.set()

    def _build(self, slot: Slot) -> None:
        """Build one reel from what is stored, and let it take what came meanwhile."""
        shape = slot.shape
        for table in (shape.table, *shape.walked):
            self._pending.pour(table.__name__)
        with self._pending.gate:
            turn, lines = slot.turn, self._pending.lines
            tables = [shape.table, *shape.walked]
            at = {
                t.__name__: lines[t.__name__].version
                if t.__name__ in lines
                else self._versions[t.__name__]
                for t in tables
            }
            # Rows that wait come after what is stored.
            slot.extra = list(self._waiting(shape.table))
            unstored = {row[t.key.name] for t in shape.walked for row in self._waiting(t)}
            k = self.present()
        reel = Reel(slot.app.on, slot.features, self._place(slot))
        reel.begin(k)
        rates = self._rates(k) if shape.converted else None

        def stored(table: type[Table]) -> Stored:
            return self._reads.stored(table, at[table.__name__])

        for part in self._batches(reel.sql(stored, k)):
            reel.apply(part, rates)
        later, until, orphans = self._to_come(reel, stored, k)
        with self._pending.gate:
            if slot.turn != turn or not orphans.isdisjoint(unstored):
                self.old.set()
                return
            for row in slot.extra:
                reel.put(row, rates)
            slot.extra, slot.later, slot.until, slot.orphans = [], later, until, orphans
            slot.reel = reel

    def _place(self, slot: Slot) -> Cold | None:
        """Return where the keys of a reel lie that nobody asks about, once it has many events."""
        events = sum(self._files(slot.shape.table.__name__).values())
        name = re.sub(r"\W", "_", slot.app.name)
        return self._cold(f"{PREFIX}{name}_{self.slots[slot.app.name].index(slot)}", events)

    def _to_come(
        self, reel: Reel, stored: Callable[[type[Table]], Stored], k: int
    ) -> tuple[list[Row], int, frozenset[str]]:
        """Return stored rows that are known later, or when they are; and the orphans."""
        arrow = self._reads.queries.arrow
        if not reel.links:
            sql = f"SELECT * FROM {stored(reel.table).relation} WHERE known_time > {k}"
            return arrow(f"{sql} ORDER BY known_time, _load, _line").to_pylist(), FOREVER, NOBODY
        until = min(self._first(stored(t).relation, k) for t in (reel.table, *reel.walked))
        found = arrow(reel.orphans_sql(stored, k)).column("orphan")
        return [], until, frozenset(found.drop_null().to_pylist())

    def _first(self, relation: str, k: int) -> int:
        """Return the first known_time after an instant."""
        sql = f"SELECT min(known_time) AS at FROM {relation} WHERE known_time > {k}"
        found = self._reads.queries.arrow(sql).column("at")[0].as_py()
        return FOREVER if found is None else int(found)

    def _rates(self, k: int) -> Rates:
        """Read the rates once."""
        found = self.rates
        if found is None:
            stored = self._reads.stored(Rate, self._versions[Rate.__name__])
            names = ["id", "event_time", "base", "quote", "rate"]
            sql = read_sql(Rate, stored.relation, t=None, k=k, columns=names)
            found = Rates(self._reads.queries.arrow(sql))
            until = self._first(stored.relation, k)
            with self._pending.gate:
                self.rates, self._rates_until = found, until
        return found

    def _waiting(self, table: type[Table]) -> Iterator[Row]:
        """Yield the rows of a table that are not stored yet."""
        line = self._pending.lines.get(table.__name__)
        for batch in line.batches if line is not None else ():
            yield from batch.rows

    def _batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        session: Any = self._reads.queries
        yield from session.batches(sql)
