# SPDX-License-Identifier: Apache-2.0
"""The work of each store alone, at least 60 storage calls each: log, journal, lake, rows, catalog, keys."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from workload import Work

from heptad.catalog.catalog import Catalog
from heptad.catalog.files import SourceFile
from heptad.catalog.loads import Counts
from heptad.engine.local.arrow import arrow_schema
from heptad.engine.local.disk import refusals, write_durably
from heptad.engine.local.journal import Journal
from heptad.engine.local.lake import Lake
from heptad.engine.local.rows import Rows
from heptad.engine.local.segments import Segments
from heptad.engine.protocols import Family
from heptad.security.keys import Keys
from heptad.standards import Instant, Integer, Table, Text
from heptad.standards.time import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from workload import Steps


def warm() -> None:
    """Let Arrow and Alembic import what they import at first use."""
    for name in ("alembic.command", "sqlalchemy.dialects.sqlite"):
        import_module(name)
    pa.table(_row(0, 0, None), schema=_SCHEMAS[0])


class LogWork(Work):
    """Records appended one by one and in groups, over several segments."""

    RECORDS = tuple((f"r{n}", 1 + n % 3) for n in range(24))

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Segments]:
        with Segments(home / "log", segment_bytes=1500) as log:
            yield log

    def steps(self, store: Segments) -> Steps:
        for name, size in self.RECORDS:
            yield name, lambda name=name, size=size: self._append(store, name, size)

    @staticmethod
    def _append(log: Segments, name: str, size: int) -> list[int]:
        """Append what is not there; whether an append of unknown outcome is, its id tells."""
        found = [n for n, record in enumerate(log.iterate()) if _id(record) == name]
        return found or list(log.append([f"{name} {i}|".encode() * 9 for i in range(size)]))

    def check(self, store: Segments, told: dict[str, Any]) -> None:
        ids = [_id(record) for record in store.iterate()]
        sizes = dict(self.RECORDS)
        assert all(ids.count(name) == sizes[name] for name in set(ids)), ids
        for name, places in told.items():
            assert [n for n, i in enumerate(ids) if i == name] == places, (name, places)
        assert [g.first for g in store.groups()] == sorted({ids.index(i) for i in ids})

    def end(self, store: Segments) -> Any:
        return [record.decode() for record in store.iterate()]


def _id(record: bytes) -> str:
    return record.split(b" ")[0].decode()


class JournalWork(Work):
    """Records appended, stored elsewhere, and given up with the generation that they lie in."""

    RECORDS = tuple((f"r{n}", 1 + n % 3) for n in range(16))

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Journal]:
        """Let go of the journal as a project that is closed does: removed, if nothing waits."""
        self._home = home
        journal = Journal(home / "intake", self._stored()["until"])
        try:
            yield journal
            if not self._waiting(journal):
                journal.remove()
        finally:
            journal.close()

    def steps(self, store: Journal) -> Steps:
        for n, (name, size) in enumerate(self.RECORDS, 1):
            yield name, lambda name=name, size=size: self._append(store, name, size)
            if n % 4 == 0:
                yield f"store {n}", lambda: self._store(store)

    def _append(self, journal: Journal, name: str, size: int) -> None:
        stored = self._stored()
        if name not in map(
            _id, [*stored["records"].encode().splitlines(), *self._waiting(journal)]
        ):
            places = journal.append([f"{name} {i}|".encode() * 9 for i in range(size)])
            assert places.start >= stored["until"], (name, places, stored)

    def _store(self, journal: Journal) -> None:
        """Keep elsewhere what waits, and give it up."""
        if waiting := self._waiting(journal):
            lines = "".join(f"{record.decode()}\n" for record in waiting)
            kept = {
                "until": max(waiting.values()) + 1,
                "records": self._stored()["records"] + lines,
            }
            with refusals("Records were not stored"):
                write_durably(self._home / "stored.json", json.dumps(kept).encode())
        journal.turn()
        journal.drop(2**63 - 1)

    def _stored(self) -> dict[str, Any]:
        path = self._home / "stored.json"
        with refusals("What is stored was not read"):
            return json.loads(path.read_text()) if path.exists() else {"until": 0, "records": ""}

    def _waiting(self, journal: Journal) -> dict[bytes, int]:
        """Return what waits; of a record that was appended again after a failure, the later one."""
        until = self._stored()["until"]
        return {record: place for place, record in journal.read() if place >= until}

    def check(self, store: Journal, told: dict[str, Any]) -> None:
        records, sizes = self.end(store), dict(self.RECORDS)
        ids = [record.split(" ")[0] for record in records]
        assert len({*records}) == len(records)
        assert {name: ids.count(name) for name in ids} == {name: sizes[name] for name in ids}
        assert {name for name in told if name in sizes} <= {*ids}

    def end(self, store: Journal) -> Any:
        waiting = [record.decode() for record in self._waiting(store)]
        return sorted([*self._stored()["records"].splitlines(), *waiting])


class Coin(Table):
    """One coin dropped into a box."""

    id = Text("Number of the coin", key=True)
    event_time = Instant("When it dropped")


class _Grown:
    """The same table, with a field that it was given later."""

    class Coin(Table):
        """One coin dropped into a box."""

        id = Text("Number of the coin", key=True)
        event_time = Instant("When it dropped")
        weight = Integer("Grams", optional=True)


_TABLES = (Coin, _Grown.Coin)
_SCHEMAS = [arrow_schema(table.columns()[:-1]) for table in _TABLES]


def _row(coin: int, load: int, weight: int | None) -> list[list[Any]]:
    more = [[weight]] if weight is not None else []
    return [[f"c{coin}"], [coin], *more, [load], [False], [load], [1], [load]]


class LakeWork(Work):
    """Appends, a correction, merges, checkpoints, a new column, old versions given up."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Lake]:
        lake = Lake(home / "tables", clock=FixedClock(10**15))
        # What was told stands for the catalog, which keeps the last acknowledged version.
        lake.recover("Coin", max((v for v in told.values() if v is not None), default=-1))
        yield lake

    def steps(self, store: Lake) -> Steps:
        yield "create", lambda: self._create(store)
        yield from self._loads(store, range(1, 5), 0)
        yield "correct", lambda: self._put(store, load=5, coin=1, grown=0)
        yield "compact", lambda: _nothing(store.compact("Coin"))
        yield "checkpoint", lambda: _nothing(store.checkpoint("Coin"))
        yield "evolve", lambda: _nothing(self._evolve(store))
        yield from self._loads(store, range(6, 9), 1)
        yield "retain", lambda: _nothing(store.retain("Coin", 4, pinned=[2]))
        yield "compact again", lambda: _nothing(store.compact("Coin"))
        yield "checkpoint again", lambda: _nothing(store.checkpoint("Coin"))
        yield from self._loads(store, range(9, 10), 1)

    def _loads(self, lake: Lake, loads: range, grown: int) -> Steps:
        for load in loads:
            yield (
                f"load {load}",
                lambda load=load: self._put(lake, load=load, coin=load, grown=grown),
            )

    @staticmethod
    def _create(lake: Lake) -> int:
        if not lake.exists("Coin"):
            lake.create(Coin)
        return 0

    @staticmethod
    def _evolve(lake: Lake) -> int:
        return lake.evolve(_Grown.Coin)

    @staticmethod
    def _put(lake: Lake, *, load: int, coin: int, grown: int) -> int:
        # A load begun under the old columns and repeated under the new ones is staged anew.
        landed = lake.landed("Coin", load)
        if landed is not None:
            return landed
        staged = lake.stage("Coin")
        home = staged / "_month=1970-01"
        with refusals("The rows could not be staged"):
            home.mkdir()
            rows = _row(coin, load, load if grown else None)
            pq.write_table(pa.table(rows, schema=_SCHEMAS[grown]), home / "a.parquet")
        return lake.commit("Coin", staged, load=load, table=_TABLES[grown])

    def check(self, store: Lake, told: dict[str, Any]) -> None:
        if not store.exists("Coin"):
            assert not told
            return
        rows = self._rows(store)
        loads = [row[1] for row in rows]
        assert len(set(loads)) == len(loads), rows
        heard = {int(name.split()[1]) for name in told if name.startswith("load")}
        assert heard <= set(loads), (heard, loads)
        assert "correct" not in told or ("c1", 5) in [row[:2] for row in rows]
        assert store.damaged("Coin") == []
        assert not list(store.folder.glob("Coin/.stage-*"))

    @staticmethod
    def _rows(lake: Lake) -> list[tuple[Any, ...]]:
        grown = len(lake.schema("Coin")) > len(Coin.columns())
        relation = lake.relation("Coin", table=_TABLES[grown])
        weight = "weight" if grown else "NULL"
        return duckdb.sql(f"SELECT id, _load, {weight} FROM {relation} ORDER BY ALL").fetchall()

    def end(self, store: Lake) -> Any:
        pinned = store.relation("Coin", 2, table=Coin)
        kept = duckdb.sql(f"SELECT id FROM {pinned} ORDER BY ALL").fetchall()
        return [self._rows(store), kept]


def _nothing(_: object) -> None:
    """Forget an answer that may differ when a step is done again."""


class RowsWork(Work):
    """Rows put one by one and together, compared and set, deleted, swept; the store flushed."""

    PUT = 14

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Rows]:
        with Rows(home / "rows", clock=FixedClock(10**15)) as rows:
            yield rows

    def steps(self, store: Rows) -> Steps:
        yield "create", lambda: store.create("t", {"f": Family(versions=2)})
        for n in range(self.PUT):
            yield f"put {n}", lambda n=n: self._put(store, n)
            if n in (4, 9):
                yield f"flush {n}", lambda: _flush(store)
        many = [(b"m%d" % n, {b"f:a": b"%d" % n}) for n in range(5)]
        yield "put many", lambda: store.put_many("t", many, 7)
        yield "delete", lambda: store.delete("t", b"0003")
        yield "compare", lambda: _nothing(self._compare(store))
        yield "sweep", lambda: _nothing(store.sweep("t"))

    @staticmethod
    def _put(rows: Rows, n: int) -> None:
        if n != 3 or not rows.get("t", b"m0"):  # deleted since, and not to be brought back
            rows.put("t", b"%04d" % n, {b"f:a": b"x" * 300, b"f:b": b"%d" % n}, n + 1)

    @staticmethod
    def _compare(rows: Rows) -> None:
        rows.check_and_put("t", b"0005", b"f:b", b"5", {b"f:b": b"five"}, 100)

    def check(self, store: Rows, told: dict[str, Any]) -> None:
        if "create" not in told and "t" not in store.tables():
            return
        stored = {key: cells.get(b"f:b") for key, cells in store.scan("t")}
        heard = {
            int(name.split()[1]) for name in told if name.startswith("put ") and name[4] != "m"
        }
        for n in heard - {3, 5}:
            assert stored[b"%04d" % n] == b"%d" % n, (n, stored)
        assert 5 not in heard or stored[b"0005"] in (b"5", b"five")
        assert "compare" not in told or stored[b"0005"] == b"five"
        assert "delete" not in told or b"0003" not in stored
        together = [key for key in stored if key.startswith(b"m")]
        assert len(together) in ((5,) if "put many" in told else (0, 5))

    def end(self, store: Rows) -> Any:
        return [[k.decode(), sorted(map(str, c.items()))] for k, c in store.scan("t")]


def _flush(rows: Rows) -> None:
    from heptad.engine.local.rocks import refusals

    with refusals():
        rows._store.flush()


class CatalogWork(Work):
    """Loads, settings, models and runs."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Catalog]:
        with Catalog(home / "catalog.sqlite", clock=FixedClock(10**15)) as catalog:
            _undo(catalog)
            yield catalog

    def steps(self, store: Catalog) -> Steps:
        for n in range(4):
            yield f"load {n}", lambda n=n: self._load(store, n)
            yield f"raise {n}", lambda n=n: _nothing(store.settings.raise_to("mark", n))
            yield f"model {n}", lambda n=n: self._model(store, n)
            yield f"run {n}", lambda n=n: self._run(store, n)

    @staticmethod
    def _load(catalog: Catalog, n: int) -> list[str]:
        """Load what is not loaded; by its content it is known whether it was."""
        file = SourceFile(f"{n}.csv", n + 1, hashlib.sha256(b"%d" % n).hexdigest())
        _undo(catalog)
        if catalog.loads.sift("Coin", [file]).new:
            load = catalog.loads.begin(f"source {n}", "Coin")
            catalog.loads.staged(load.id, Counts(read=n), files=[file])
            catalog.loads.committed(load.id, None)
        return [x.source for x in _committed(catalog) if x.source == f"source {n}"]

    @staticmethod
    def _model(catalog: Catalog, n: int) -> list[Any]:
        model = catalog.models.register("coins", "app", b"%d" % n * 500, trainer="a")
        if model.approver is None:
            catalog.models.approve(model.id, "b", "good")
        if model.stage == "candidate":
            catalog.models.promote(model.id, "champion", "b", "first")
        return [model.number, model.sha256]

    @staticmethod
    def _run(catalog: Catalog, n: int) -> Any:
        mine = [run for run in catalog.runs.recent("job") if run.date == str(n)]
        run = catalog.runs.resume(mine[0].id) if mine else catalog.runs.start("job", str(n))
        if not run.finished:
            catalog.runs.done(run.id, "first", n)
            run = catalog.runs.finish(run.id, {"n": n})
        return run.result

    def check(self, store: Catalog, told: dict[str, Any]) -> None:
        store.check()
        loaded = [load.source for load in _committed(store)]
        assert len(set(loaded)) == len(loaded), loaded
        for name, answer in told.items():
            kind, _, n = name.partition(" ")
            if kind == "load":
                assert f"source {n}" in loaded, (name, loaded)
            elif kind == "raise":
                assert store.settings.get("mark") >= int(n)
            elif kind == "model":
                number, sha256 = answer
                assert store.models.find("coins", number).sha256 == sha256
                assert hashlib.sha256(store.models.bytes_of(sha256)).hexdigest() == sha256
            else:
                (run,) = [r for r in store.runs.recent("job") if r.date == n]
                assert run.result == answer

    def end(self, store: Catalog) -> Any:
        models = [(m.number, m.sha256, m.stage) for m in store.models.recent(app="app")]
        runs = [(r.date, r.status, r.result) for r in store.runs.recent("job")]
        loads = sorted(load.source for load in _committed(store))
        return [loads, sorted(models), sorted(map(str, runs)), store.settings.get("mark")]


class MarksWork(CatalogWork):
    """Steps of one short transaction each, which is told right after its one sync."""

    def prepare(self, home: Path) -> None:
        super().prepare(home)
        Catalog(home / "catalog.sqlite", clock=FixedClock(10**15)).close()

    def steps(self, store: Catalog) -> Steps:
        for n in range(6):
            yield f"raise {n}", lambda n=n: _nothing(store.settings.raise_to("mark", n))


def _undo(catalog: Catalog) -> None:
    """End what was begun and never finished."""
    for load in catalog.loads.unfinished(mine=True):
        catalog.loads.failed(load.id, "interrupted")


def _committed(catalog: Catalog) -> list[Any]:
    return catalog.loads.recent(status="committed", limit=1000)


class KeysWork(Work):
    """Keys made and destroyed, epochs moved, secrets made."""

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Keys]:
        with Keys(home / "keys", passphrase="", clock=FixedClock(10**15)) as keys:
            yield keys

    def steps(self, store: Keys) -> Steps:
        yield "signing", lambda: _hash(store.public_key().public_bytes_raw())
        for n in range(5):
            yield f"key s{n}", lambda n=n: self._key(store, f"s{n}")
        yield "destroy s1", lambda: _nothing(store.destroy("s1"))
        yield "epoch", lambda: _nothing(store.new_epoch())
        yield "pepper", lambda: _hash(store.pepper("p"))
        for n in range(5, 8):
            yield f"key s{n}", lambda n=n: self._key(store, f"s{n}")
        yield "destroy s6", lambda: _nothing(store.destroy("s6"))
        yield "epoch again", lambda: _nothing(store.new_epoch())

    GONE = ("s1", "s6")

    def _key(self, keys: Keys, subject: str) -> str:
        if subject in self.GONE:
            if keys.erased(subject) is None:
                keys.of([subject])
            return "made once"
        (key,) = keys.of([subject])
        return _hash(key)

    def check(self, store: Keys, told: dict[str, Any]) -> None:
        for name, answer in told.items():
            kind, _, subject = name.partition(" ")
            (key,) = store.of([subject], create=False) if subject else (None,)
            if kind == "key" and subject not in self.GONE:
                assert _hash(key) == answer, name
            if kind == "destroy":
                assert key is None, name
                assert store.erased(subject) is not None, name
        if "signing" in told:
            assert _hash(store.public_key().public_bytes_raw()) == told["signing"]
        if "pepper" in told:
            assert _hash(store.pepper("p")) == told["pepper"]
        assert "epoch" not in told or store.epoch > 1
        assert not _strays(store.folder)

    def end(self, store: Keys) -> Any:
        return [len(store), sorted(store.erasures(f"s{n}" for n in range(9)))]


def _strays(folder: Path) -> list[str]:
    """Key files of another epoch that should be gone."""
    return [p.name for p in folder.iterdir() if p.name.startswith("kek") and p.name != "kek"]


def _hash(data: bytes | None) -> str:
    return hashlib.sha256(data or b"").hexdigest()
