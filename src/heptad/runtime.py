# SPDX-License-Identifier: Apache-2.0
"""The one place that wires the layers together."""

from __future__ import annotations

import pkgutil
import threading
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import (
    Busy,
    ContractError,
    HeptadError,
    Refused,
    UnknownName,
    suggest,
)
from heptad.standards.model import MODEL
from heptad.standards.time import FixedClock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from importlib.metadata import EntryPoint
    from types import TracebackType

    import pyarrow as pa

    from heptad.catalog import Catalog
    from heptad.catalog.models import Model
    from heptad.engine.local.duck import Duck
    from heptad.engine.local.worker import Answer
    from heptad.ingest.report import LoadReport, RowsReport
    from heptad.security.access import Entry
    from heptad.security.ledger import Ledger
    from heptad.service.app import App
    from heptad.service.deciding import Asked
    from heptad.service.features import Feature
    from heptad.service.guard import Access
    from heptad.service.log import DecisionLog
    from heptad.service.records import Opened
    from heptad.service.replaying import Replay
    from heptad.service.training import Trained, TrainingSet
    from heptad.sources.config import Project
    from heptad.standards import Table
    from heptad.standards.time import Clock


CLOCK = "clock"
STORES = ("catalog", "keys", "_segments", "access", "_engine", "loading")
"""What a platform opens and closes, in this order."""


def _clock_of(project: Project) -> Clock:
    """Return the machine's clock, or the fixed one of a simulated project."""
    return SystemClock() if project.clock is None else FixedClock(project.clock)


@cache
def discover() -> dict[str, App]:
    """Find every application: folders under `heptad/apps`, then the entry points `heptad.apps`.

    Raises:
        ContractError: if two have the same name, or one is no `App`.
    """
    from heptad.service.app import App

    package = import_module("heptad.apps")
    found = {
        m.name: import_module(f"heptad.apps.{m.name}").app
        for m in pkgutil.iter_modules(package.__path__)
    }
    for point in entry_points(group="heptad.apps"):
        if point.name in found:
            raise ContractError(
                f"Two applications are named {point.name}.",
                got=point.value,
                do="rename one of them, or uninstall it",
            )
        found[point.name] = _loaded(point)
    for name, app in found.items():
        if not isinstance(app, App):
            raise ContractError(f"{name} is no App.", got=type(app).__name__, do="see `heptad new`")
    return dict(sorted(found.items()))


def _loaded(point: EntryPoint) -> App:
    """Load an application that another package brings.

    Raises:
        ContractError: if it cannot be imported; nothing works until it can, or is gone.
    """
    try:
        app: App = point.load()
    except Exception as error:
        package = point.dist.name if point.dist else point.module
        raise ContractError(
            f"The installed application {point.name} cannot be loaded.",
            got=f"{type(error).__name__}: {error}",
            do=f"correct it, or pip uninstall {package}",
        ) from error
    return app


def tables_of(apps: Iterable[App]) -> dict[str, type[Table]]:
    """Return the shared tables and those of the applications, by name."""
    found = dict(MODEL)
    for app in apps:
        for table in app.tables:
            if found.setdefault(table.__name__, table) is not table:
                raise ContractError(
                    f"{app.name} declares a table {table.__name__} that exists already.",
                    do="use the shared one, or another name",
                )
    return found


class Platform:
    """One project, open: its tables, features, models, decisions and log.

    Use `Platform.open`; it is a context manager. One process holds a project at a time.
    """

    def __init__(
        self,
        path: Path,
        *,
        role: str,
        purpose: str,
        who: str,
        clock: Clock | None,
        apps: Iterable[App],
    ) -> None:
        from heptad.engine.local.owner import Owner
        from heptad.engine.local.probe import refuse_network
        from heptad.sources.config import read_project

        refuse_network(path)
        self.path, self.role, self.purpose, self.who = path, role, purpose, who
        self._lock = threading.Lock()
        self.upkeep = threading.Lock()
        self.apps = discover() | {app.name: app for app in apps}
        self.tables = tables_of(self.apps.values())
        self.project = read_project(path, self.tables)
        self.clock = clock or _clock_of(self.project)
        self._owner = Owner(path)
        if not self._owner.acquire():
            raise Busy(
                "Another process holds this project.",
                got=self._owner.holder(),
                do="run the command as it is: it goes through that process; or stop `heptad serve`",
            )
        try:
            self._wire()
        except BaseException:
            with suppress(HeptadError):
                self._let_go()
            raise

    def _wire(self) -> None:
        """Open the stores, lowest layer first, and recover what a kill left unfinished."""
        from heptad.catalog import Catalog
        from heptad.catalog.loading import Loading
        from heptad.engine.local.disk import refusals
        from heptad.engine.local.duck import Duck
        from heptad.engine.local.lake import Lake
        from heptad.engine.local.room import SMALL, Room
        from heptad.engine.local.seals import Seals
        from heptad.security.places import open_keys
        from heptad.service.desk import Desk
        from heptad.service.intake import Intake
        from heptad.service.log import DecisionLog
        from heptad.service.reads import Reads
        from heptad.sources.config import revealed

        engine = self.project.engine
        self.room = Room(self.path, engine.low_water)
        self.room.rescue()
        self._seals = Seals(self.path)
        with refusals("The project was not opened"):
            self._seals.begin()
        self.catalog: Catalog = Catalog(self.path / "catalog.sqlite", clock=self.clock)
        kept = self.project.security
        self.keys = open_keys(
            self.path / "keys",
            kept.keys,
            passphrase=revealed(kept.passphrase, self.path),
            token=revealed(kept.token, self.path),
            ca=kept.ca and str(self.path / kept.ca),
            clock=self.clock,
        )
        self.lake = Lake(self.path / "tables", clock=self.clock)
        self._engine = Duck(self.path, memory_limit=engine.memory, threads=engine.threads)
        self._sessions = threading.local()
        self._wind()
        ledger = self._open_ledger()
        self.log: DecisionLog = DecisionLog(ledger, self.catalog, self.keys, self._mended_ledger)
        self.loading = Loading(
            self.project, self.tables, self.catalog, self.lake, self.keys, self.clock
        )
        self.reads = Reads(self.lake, self.catalog, lambda: self.duck)
        self._guard_reads()
        self.desk = Desk(
            self.apps,
            self.reads,
            self.log,
            self.catalog.models,
            self.keys,
            self.project.policies,
            self.clock,
            self.guard,
        )
        self.intake = Intake(self.apps, self.loading, self.reads, self.desk, self.log)
        self.room.keep(SMALL)
        for table in {*self.tables, *self.lake.names()}:
            durable = self.catalog.versions.durable(table)
            self.lake.recover(table, -1 if durable is None else durable)
        self.loading.recover()
        self._prepare_erasing()
        self.trace()

    def _prepare_erasing(self) -> None:
        """Name every store that holds something of persons, and end erasures that were begun."""
        from heptad.service import holders
        from heptad.service.erasing import Erasing
        from heptad.service.refused import QuarantineHolder

        catalog, loading = self.catalog, self.loading
        tables = holders.TablesHolder(self.tables, loading, self.reads, self.keys)
        origins = [source.origin for source in self.project.sources]
        self.erasing = Erasing(
            self.path,
            holders=[
                tables,
                QuarantineHolder(loading),
                holders.CatalogHolder(catalog),
                holders.ModelsHolder(catalog, tables),
                holders.RowsHolder(self.path / "rows", self.clock),
                holders.LogHolder(catalog),
                holders.AccessHolder(self.access),
                holders.SourcesHolder(self.path, origins, tables),
                holders.WorkHolder(),
                holders.KeysHolder(self.keys),
            ],
            values=tables.values,
            catalog=catalog,
            keys=self.keys,
            loading=loading,
            log=self.log,
            access=self.access,
            types=sorted({t.subject_type() for t in self.tables.values()} - {""}),
        )
        self.erasing.recover()

    def _guard_reads(self) -> None:
        """Open the access log, and let nobody read but through it."""
        from heptad.service.guard import Guard
        from heptad.service.recording import open_access_log
        from heptad.service.standing import Standings

        folder, origin = self.path / "log" / "access", self.project.security.origin
        self.access = open_access_log(folder, self.keys, origin, self.catalog.settings, self.clock)
        standings = Standings(self.lake, lambda: self.duck)
        self.guard = Guard(self.access, standings, self.catalog.loads.arrival)

    def _open_ledger(self, floor: int | None = None) -> Ledger:
        """Open the decision log, of which `floor` records are known to be there."""
        from heptad.engine.local.segments import Segments
        from heptad.security.ledger import Ledger

        self._segments = Segments(self.path / "log" / "decisions", floor=floor)
        least = max(self.catalog.settings.log_floor, floor or 0)
        origin = self.project.security.origin
        return Ledger(self._segments, self.keys.signing_key(), origin, floor=least)

    def _mended_ledger(self) -> Ledger:
        """Return the decision log, opened again if the disk refused an append to it."""
        if not self._segments.broken:
            return self.log.ledger
        self.room.rescue()
        self._segments.close()
        return self._open_ledger(len(self._segments))

    def trace(self) -> None:
        """Record what features, models and applications are made from, where it has changed."""
        from heptad.service.tracing import trace

        trace(self.catalog, self.apps)

    def _wind(self) -> None:
        """Set a simulated clock to where the project left it."""
        if isinstance(self.clock, FixedClock):
            self.clock.set(max(self.clock.now(), int(self.catalog.settings.get(CLOCK, 0))))

    def keep_clock(self) -> None:
        """Remember where a simulated clock stands, for whoever opens the project next."""
        self.catalog.settings.raise_to(CLOCK, self.clock.now())

    @classmethod
    def open(
        cls,
        path: str | Path = ".",
        role: str = "admin",
        purpose: str = "service",
        *,
        who: str = "local",
        clock: Clock | None = None,
        apps: Iterable[App] = (),
    ) -> Platform:
        """Open a project folder.

        Args:
            path: the folder that holds heptad.toml.
            role: who reads.
            purpose: why.
            who: the account that reads, as the access log names it.
            clock: tells the present; the machine's by default.
            apps: applications beside those discovered, such as one that is not installed yet.

        Raises:
            Busy: if another process holds the project.
            InputError: if heptad.toml is missing or wrong.
            Refused: if the folder is on a network file system.
        """
        folder = Path(path).resolve()
        return cls(folder, role=role, purpose=purpose, who=who, clock=clock, apps=apps)

    def close(self) -> None:
        """Let the stores go.

        Raises:
            Busy: if the disk refused what a store wrote at last; all are closed even so.
        """
        self._let_go(self._seals.end)

    def _let_go(self, *at_last: Callable[[], None]) -> None:
        """Close each store that was opened, last one first, whatever becomes of the others."""
        with ExitStack() as left:
            left.callback(self._owner.release)
            for act in at_last:
                left.callback(act)
            for name in STORES:
                if (store := getattr(self, name, None)) is not None:
                    left.callback(store.close)

    def __enter__(self) -> Platform:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def duck(self) -> Duck:
        """The query engine, in a session of the calling thread's own."""
        found: Duck | None = getattr(self._sessions, "duck", None)
        if found is None:
            with self._lock:
                found = self._sessions.duck = self._engine.cursor()
        return found

    def app(self, name: str) -> App:
        """Find an application.

        Raises:
            UnknownName: if there is none of that name.
        """
        if name not in self.apps:
            raise UnknownName(
                f"There is no application {name!r}.", got=name, do=suggest(name, self.apps)
            )
        return self.apps[name]

    def table(self, name: str) -> type[Table]:
        """Find a table.

        Raises:
            UnknownName: if there is none of that name.
        """
        if name not in self.tables:
            raise UnknownName(
                f"There is no table {name!r}.", got=name, do=suggest(name, self.tables)
            )
        return self.tables[name]

    def load(
        self,
        source: str | None = None,
        *,
        plan: bool = False,
        history: bool = False,
        progress: Callable[[str, float], None] | None = None,
    ) -> list[LoadReport]:
        """Load what the sources hold and the project does not.

        Args:
            source: name of one source; all by default.
            plan: only say what would happen.
            history: rows known after `known_after`, though the source was loaded before.
            progress: told (what, share done).

        Raises:
            DiskFull: if too little space is left to write.
        """
        if not plan:
            self.room.require()
        return self.loading.load(source, plan=plan, history=history, progress=progress)

    def store(
        self, table: str, rows: Sequence[Mapping[str, Any]], *, source: str = "posted"
    ) -> RowsReport:
        """Store rows given in memory, known from now on, through the same checks as files.

        Args:
            table: name of the table.
            rows: plain values by field name; amounts as decimal text, instants as ISO 8601.
            source: what they are said to come from.

        Raises:
            DiskFull: if too little space is left to write.
        """
        self.room.require()
        return self.loading.load_rows(table, rows, source=source)

    def accept(
        self, table: str, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[RowsReport, list[Opened]]:
        """Store rows and decide those that an application decides on.

        Returns:
            What became of the rows, and the decisions in the order of applications and rows; a
            row that was stored before answers its first decision, and a correction or deletion of
            a known row opens none.
        """
        self.room.require()
        return self.intake.accept(table, rows)

    def decide_one(
        self,
        app: str,
        *,
        row: Mapping[str, Any] | None = None,
        key: str | None = None,
        name: str | None = None,
    ) -> Opened:
        """Decide one row: a new one, which is stored first, or a stored one.

        Args:
            app: name of the application.
            row: plain values by field name.
            key: key of a stored row.
            name: idempotency key, which becomes the decision's id.

        Raises:
            ContractError: if the row is refused by a check.
            Conflict: if the idempotency key was used for another request.
            UnknownName: if there is no row of that key.
        """
        self.room.require()
        return self.intake.decide_one(self.app(app), row, key, name)

    def compact(self, table: str) -> int:
        """Merge small files of a table; rows and old versions stay as they are.

        Returns:
            The table's version.

        Raises:
            UnknownName: if there is no such table, or it has no stored rows.
        """
        self.room.require()
        return self.loading.compact(self.table(table).__name__)

    def read(  # noqa: PLR0913 - what a read is, by name
        self,
        table: str,
        t: int | None = None,
        k: int | None = None,
        *,
        version: int | None = None,
        limit: int | None = None,
        after: str = "",
        purpose: str | None = None,
        role: str = "",
        who: str = "",
    ) -> pa.Table:
        """Read a table as of an instant in both times, or all row versions of a stored version.

        Args:
            table: its name.
            t: what had happened by then, microseconds.
            k: what was known by then, microseconds.
            version: a stored version; with t or k, the read is of that version.
            limit: most rows.
            after: only keys beyond this one.
            purpose: why; the platform's own by default, "" to see personal values masked.
            role: in which role; the platform's own by default.
            who: the account that reads; the platform's own by default.

        Returns:
            Arrow table in key order; sealed cells answer as role and purpose permit. Rows of
            persons without a basis for the purpose, as known now, are not among them.

        Raises:
            Refused: if the role may not act for the purpose, or it does not cover the table.
            Busy: if the read cannot be recorded in the access log.
        """
        from heptad.service.reading import shown

        declared = self.table(table)
        asked: dict[str, Any] = {"table": table, "t": t, "k": k, "version": version, "after": after}
        with self.guard.reading("read", **self._reader(role, purpose, who), **asked) as access:
            rows = self.reads.under(access).rows(
                declared, t, k, version=version, limit=limit, after=after
            )
            return shown(declared, rows, access, self.keys)

    def _reader(self, role: str, purpose: str | None, who: str) -> dict[str, str]:
        """Return who reads, in which role and why; the platform's own where it is not said."""
        why = self.purpose if purpose is None else purpose
        return {"role": role or self.role, "purpose": why, "who": who or self.who}

    @contextmanager
    def reviewing(
        self,
        action: str,
        wanted: str = "",
        *,
        purpose: str | None = None,
        role: str = "",
        who: str = "",
        **asked: Any,
    ) -> Iterator[Access]:
        """Let decisions be read, for their own purpose or for a review; recorded when it ends.

        Args:
            action: what is done, in one word.
            wanted: the purpose of the application whose decisions are read; "" for several.
            purpose: why; if not said, the wanted one or a review, as the role may.
            role: in which role; the platform's own by default.
            who: the account that reads; the platform's own by default.
            **asked: what is asked, plain values.

        Raises:
            Refused: if the role may not act for the purpose.
            Busy: if the read cannot be recorded in the access log.
        """
        from heptad.security.purposes import find_role, reviewing

        reader = self._reader(role, purpose, who)
        if purpose is None and self.purpose != wanted:
            open_to = find_role(reader["role"]).purposes
            reader["purpose"] = reviewing(reader["role"], open_to, wanted) or self.purpose
        with self.guard.reading(action, **reader, **asked) as access:
            yield access

    def accesses(
        self,
        *,
        subject: str = "",
        since: int | None = None,
        limit: int = 50,
        purpose: str | None = None,
        role: str = "",
        who: str = "",
    ) -> list[Entry]:
        """Return who read what about whom and why, the newest first; itself a recorded read.

        Args:
            subject: only reads about one person, `Customer:42`.
            since: only those from this instant on, microseconds.
            limit: most of them.
            purpose: audit or legal; what the role has of them by default.
            role: in which role; the platform's own by default.
            who: the account that asks; the platform's own by default.

        Raises:
            Refused: if the purpose is none of a review.
        """
        with self.reviewing(
            "access", purpose=purpose, role=role, who=who, subject=subject
        ) as access:
            access.review()
            if subject:
                access.about([subject])
            found = self.access.entries(since=since, subject=subject, limit=limit)
            access.read.rows = len(found)
            return found

    def reviewed(self, entries: Sequence[Opened]) -> list[Opened]:
        """Return those decisions that the read which goes on may see; fewer, or all of them.

        Outside of a read it is one of its own.

        Raises:
            Refused: if they are read neither for their application's purpose nor for a review.
        """
        if self.guard.current is not None:
            return self.guard.current.reviewed(self.apps, entries)
        own = {self.apps[n].purpose for e in entries if (n := str(e.public["app"])) in self.apps}
        with self.reviewing("decisions", own.pop() if len(own) == 1 else "") as access:
            return access.reviewed(self.apps, entries)

    def explore(  # noqa: PLR0913 - what a question is, by name
        self,
        sql: str,
        t: int | None = None,
        k: int | None = None,
        *,
        limit: int = 1_000,
        purpose: str | None = None,
        role: str = "",
        who: str = "",
    ) -> Answer:
        """Answer a question in SQL over the declared tables; see `heptad.service.exploring`.

        Args:
            sql: one SELECT.
            t: what had happened by then, microseconds.
            k: what was known by then, microseconds.
            limit: most rows of the answer.
            purpose: why; the platform's own by default, "" to see personal values masked.
            role: in which role; the platform's own by default.
            who: the account that asks; the platform's own by default.

        Raises:
            Refused: if it is more than a question, or purpose and role do not allow it.
            InputError: if it cannot be answered.
            Busy: if it takes more than a question may.
        """
        from heptad.engine.local.worker import Limits
        from heptad.service.exploring import explore

        limits = Limits(rows=limit)
        asked: dict[str, Any] = {"sql": sql, "t": t, "k": k}
        with self.guard.reading("explore", **self._reader(role, purpose, who), **asked) as access:
            reads = self.reads.under(access)
            return explore(sql, self.tables, reads, access, self.keys, t=t, k=k, limits=limits)

    def features(self, names: Iterable[str]) -> list[Feature]:
        """Find features by `app.name`.

        Raises:
            UnknownName: if one is not declared.
        """
        known = {f"{a.name}.{n}": f for a in self.apps.values() for n, f in a.features.items()}
        for name in (names := list(names)):
            if name not in known:
                raise UnknownName(
                    f"There is no feature {name!r}.", got=name, do=suggest(name, known)
                )
        return [known[name] for name in names]

    def history(
        self,
        spine: pa.Table,
        features: Sequence[Feature],
        *,
        purpose: str | None = None,
        role: str = "",
        who: str = "",
    ) -> pa.Table:
        """Compute features for a spine, for training or analysis.

        Args:
            spine: columns named after entities (`Customer`) or key columns (`customer`), the
                instants `event_time` and, optionally, `known_time` (event_time by default).
            features: what to compute; by name through `features()`.
            purpose: why; the platform's own by default.
            role: in which role; the platform's own by default.
            who: the account that reads; the platform's own by default.

        Returns:
            The spine with one column per feature, in spine order; of persons without a basis for
            the purpose nothing is counted.

        Raises:
            Refused: if the role may not act for the purpose, or it does not cover a table.
        """
        with self._computing("history", features, self._reader(role, purpose, who)) as access:
            access.asks(spine)
            return self.reads.under(access).history(spine, features)

    def online(
        self,
        keys: Mapping[str, str],
        features: Sequence[Feature],
        *,
        purpose: str | None = None,
        role: str = "",
        who: str = "",
    ) -> dict[str, Any]:
        """Read features of one key as of now.

        Args:
            keys: entity → key, for example {"Customer": "42"}.
            features: what to read.
            purpose: why; the platform's own by default.
            role: in which role; the platform's own by default.
            who: the account that reads; the platform's own by default.

        Raises:
            Refused: if the role may not act for the purpose, or it does not cover a table.
        """
        with self._computing("online", features, self._reader(role, purpose, who)) as access:
            access.about(f"{entity}:{key}" for entity, key in keys.items())
            access.read.rows = 1
            return self.reads.under(access).at(self.clock.now(), keys, features)

    @contextmanager
    def _computing(
        self, action: str, features: Sequence[Feature], reader: Mapping[str, str]
    ) -> Iterator[Access]:
        """Let features be read under a purpose."""
        with self.guard.reading(action, **reader) as access:
            if not reader["purpose"]:
                raise Refused("Features are read for a purpose.", do="state one")
            access.read.columns["features"] = [feature.name for feature in features]
            yield access

    def decide(
        self,
        app: str,
        *,
        keys: Sequence[str] | None = None,
        between: tuple[int, int] | None = None,
        latest: int | None = None,
        asked: Mapping[str, Asked] | None = None,
    ) -> list[Opened]:
        """Decide rows of the application's table that are stored, and record the decisions.

        Args:
            app: name of the application.
            keys: keys of the rows; all rows by default.
            between: only rows with from ≤ event_time < to, microseconds.
            latest: only so many rows, the last to have happened.
            asked: by row key, the requests whose callers gave them an id.

        Returns:
            The decisions as recorded, in row order; a row decided before answers its first one.
        """
        each = self.decide_each(app, keys=keys, between=between, latest=latest, asked=asked)
        return [entry for batch in each for entry in batch]

    def decide_each(
        self,
        app: str,
        *,
        keys: Sequence[str] | None = None,
        between: tuple[int, int] | None = None,
        latest: int | None = None,
        asked: Mapping[str, Asked] | None = None,
        erased: list[str] | None = None,
    ) -> Iterator[list[Opened]]:
        """Decide as `decide` does, batch by batch, so that a year's rows need a batch's memory.

        Each batch is durable when it is yielded; stopped half-way, the rest is decided next time.

        Args:
            app: name of the application.
            keys: as for `decide`.
            between: as for `decide`.
            latest: as for `decide`.
            asked: as for `decide`.
            erased: is given the keys of rows that were left out because their person is erased.
        """
        self.room.require()
        return self.desk.each(
            self.app(app), keys=keys, between=between, latest=latest, asked=asked, erased=erased
        )

    def explain(
        self,
        name: str,
        to: str = "officer",
        *,
        language: str = "en",
        purpose: str | None = None,
        role: str = "",
        who: str = "",
    ) -> dict[str, Any]:
        """Explain a decision; see `heptad.service.explaining`.

        Args:
            name: the decision's id.
            to: engineer, officer or customer.
            language: of the sentences.
            purpose: why; if not said, the application's own or a review, as the role may.
            role: in which role; the platform's own by default.
            who: the account that reads; the platform's own by default.

        Raises:
            Refused: if the purpose is another, or the person has no basis for it left.
            UnknownName: if there is no such decision.
        """
        from heptad.service.explaining import explain

        entry = self.log.get(name)
        app = self.app(str(entry.public["app"]))
        with self.reviewing(
            "explain", app.purpose, purpose=purpose, role=role, who=who, decision=name, to=to
        ) as access:
            access.about([entry.subject])
            if not access.decisions(app, [entry]):
                raise Refused(
                    f"The person has not, or no longer, agreed to {app.purpose}.",
                    do="read it for a review, under the purpose audit or legal",
                )
            return explain(entry, app, to=to, language=language)

    def replay(
        self,
        ids: Iterable[str] | None = None,
        *,
        purpose: str | None = None,
        role: str = "",
        who: str = "",
    ) -> Replay:
        """Replay decisions, all by default; see `heptad.service.replaying`.

        Args:
            ids: of the decisions.
            purpose: why; if not said, the application's own or a review, as the role may.
            role: in which role; the platform's own by default.
            who: the account that reads; the platform's own by default.

        Raises:
            Refused: if the purpose is another than that of an application or of a review.
        """
        chosen = None if ids is None else [self.log.get(i) for i in ids]
        wanted = {str(e.public["app"]) for e in chosen or ()} & self.apps.keys()
        own = {self.apps[name].purpose for name in wanted}
        named = [str(e.public["id"]) for e in chosen or ()]
        aim = own.pop() if len(own) == 1 else ""
        with self.reviewing(
            "replay", aim, purpose=purpose, role=role, who=who, decisions=named
        ) as access:
            entries: Iterable[Opened] = self.log.entries() if chosen is None else chosen
            return self.desk.replay(access.each_reviewed(self.apps, entries))

    def run(self, job: str, date: str) -> Mapping[str, Any]:
        """Run `app.job` for a date, once; a finished run answers again what it answered.

        Raises:
            UnknownName: if there is no such job.
        """
        name, _, rest = job.partition(".")
        jobs = {j.name: j for j in self.app(name).jobs}
        if rest not in jobs:
            raise UnknownName(f"{name} has no job {rest!r}.", got=rest, do=suggest(rest, jobs))
        with self.catalog.runs.running(job, date) as run:
            if run.finished:
                return dict(run.result or {})
            result = dict(jobs[rest].run(self, date))
            self.catalog.runs.finish(run.id, result)
        return result

    def training_set(
        self,
        app: str,
        *,
        until: int,
        known: int,
        purpose: str | None = None,
        role: str = "",
        who: str = "",
    ) -> TrainingSet:
        """Gather the rows of an application that have a label, with their inputs as known then.

        Args:
            app: name of the application.
            until: rows before this instant, microseconds.
            known: labels known by then.
            purpose: why; the application's own by default.
            role: in which role; by default that of an application, which learns to decide.
            who: the account that trains; the platform's own by default.

        Raises:
            ContractError: if the application has no model.
            Refused: if the role may not act for the purpose, or it does not cover a table.
        """
        from heptad.service.guard import APPLICATION
        from heptad.service.training import gather

        chosen = self.app(app)
        why = chosen.purpose if purpose is None else purpose
        reader = {"role": role or APPLICATION, "purpose": why, "who": who or self.who}
        names = list(chosen.model.inputs) if chosen.model else []
        with self.guard.reading("train", **reader, app=app, until=until, known=known) as access:
            found = gather(chosen, self.reads.under(access), until=until, known=known)
            access.read.columns["inputs"] = names
            access.read.rows = len(found)
            access.about(found.people)
            return found

    def train(  # noqa: PLR0913 - what a training is, by name
        self,
        app: str,
        *,
        until: int | None = None,
        known: int | None = None,
        seed: int = 0,
        trainer: str = "trainer",
        purpose: str | None = None,
        role: str = "",
    ) -> Trained:
        """Train the model of an application on what is known, and register it as a candidate.

        Args:
            app: name of the application.
            until: rows before this instant; now by default.
            known: labels known by then; now by default.
            seed: of everything drawn.
            trainer: who trains; somebody else must approve.
            purpose: why; the application's own by default.
            role: in which role; by default that of an application, which learns to decide.
        """
        from heptad.service.training import train

        self.room.require()
        chosen = self.app(app)
        now = self.clock.now()
        until, known = until if until is not None else now, known if known is not None else now
        data = self.training_set(
            app, until=until, known=known, purpose=purpose, role=role, who=trainer
        )
        if chosen.model is None:
            raise ContractError(f"{app} has no model to train.")
        trained = train(chosen.model, data, seed=seed)
        self.catalog.models.register(
            f"{app}-{chosen.model.name}",
            app,
            trained.estimator.to_bytes(),
            trainer=trainer,
            metrics=dict(trained.metrics),
            window=(int(data.t.min()), int(data.t.max())),
            features={n: f.version() for n, f in chosen.features.items()},
            versions=self.reads.versions(chosen),
            settings={"seed": seed, "until": until, "known": known},
        )
        self.trace()
        return trained

    def approve(self, number: int, who: str, note: str) -> Model:
        """Approve a model that somebody else trained, and let it decide from now on.

        Raises:
            UnknownName: if there is no such model.
            Refused: if who approves has trained it.
        """
        self.catalog.models.approve(number, who, note)
        model = self.catalog.models.promote(number, "champion", who, note)
        self.trace()
        return model
