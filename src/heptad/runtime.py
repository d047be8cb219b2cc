# SPDX-License-Identifier: Apache-2.0
"""The one place that wires the layers together."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from heptad.service.discovery import discover, tables_of
from heptad.standards.errors import HeptadError, UnknownName, suggest
from heptad.standards.time import FixedClock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Unpack

    import pyarrow as pa

    from heptad.catalog.models import Model, Stage
    from heptad.engine.local.duck import Duck
    from heptad.engine.local.worker import Answer
    from heptad.ingest.report import LoadReport, RowsReport
    from heptad.security.access import Entry
    from heptad.service.app import App
    from heptad.service.decisions.deciding import Asked
    from heptad.service.decisions.records import Opened
    from heptad.service.decisions.replaying import Replay
    from heptad.service.features import Feature
    from heptad.service.online.gate import Gate
    from heptad.service.online.values import Values
    from heptad.service.reads.guard import Access, Reader
    from heptad.service.stores import Stores
    from heptad.service.training import Trained, TrainingSet
    from heptad.sources.config import Project
    from heptad.standards import Table
    from heptad.standards.time import Clock

T = TypeVar("T")
__all__ = ["Platform", "discover", "tables_of"]


def _clock_of(project: Project) -> Clock:
    """Return the machine's clock, or the fixed one of a simulated project."""
    return SystemClock() if project.clock is None else FixedClock(project.clock)


def _named(what: str, name: str, known: Mapping[str, T]) -> T:
    """Return what has a name, or say which names there are."""
    if name not in known:
        raise UnknownName(f"There is no {what} {name!r}.", got=name, do=suggest(name, known))
    return known[name]


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
        from heptad.engine.local.probe import refuse_network
        from heptad.service.stores import Stores
        from heptad.sources.config import read_project

        refuse_network(path)
        self.path, self.role, self.purpose, self.who = path, role, purpose, who
        self.upkeep = threading.Lock()
        self.apps = discover() | {app.name: app for app in apps}
        self.tables = tables_of(self.apps.values())
        self.project = read_project(path, self.tables)
        self.clock = clock or _clock_of(self.project)
        self._stores = Stores(path, self.project, self.tables, self.clock)
        try:
            self._wire(self._stores)
        except BaseException:
            with suppress(HeptadError):
                self._stores.let_go()
            raise

    def _wire(self, stores: Stores) -> None:
        """Put what reads and decides above the stores, and recover what a kill left unfinished."""
        from heptad.security.users import Users
        from heptad.service.decisions.desk import Desk
        from heptad.service.decisions.intake import Intake
        from heptad.service.online.serving import Online
        from heptad.service.reads.guard import Guard
        from heptad.service.reads.reads import Reads
        from heptad.service.reads.standing import Standings
        from heptad.service.subjects.erasing import open_erasing
        from heptad.service.subjects.regimes import regime
        from heptad.service.working import Work

        self.room, self.catalog, self.keys = stores.room, stores.catalog, stores.keys
        self.lake, self.loading = stores.lake, stores.loading
        self.log, self.access = stores.log, stores.access
        self.users = Users(self.catalog.settings)
        self.reads = Reads(self.lake, self.catalog, lambda: self.duck)
        standings = Standings(self.lake, lambda: self.duck)
        law = regime(self.project.regime).purposes()
        self.guard = Guard(self.access, standings, self.catalog.loads.arrival, law)
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
        self.intake = Intake(self.apps, self.loading, self.reads, self.desk, self.log, self)
        stores.recover()
        features = [f for app in self.apps.values() for f in app.features.values()]
        self.served = Online(stores, self.reads, features)
        self.erasing = open_erasing(stores, self.reads)
        self.work = Work(self)
        self.trace()

    def trace(self) -> None:
        """Record what features, models and applications are made from, where it has changed."""
        from heptad.service.operators.definitions import note
        from heptad.service.tracing import trace

        trace(self.catalog, self.apps)
        note(self.catalog, self.apps, self.clock.now())

    def keep_clock(self) -> None:
        """Remember where a simulated clock stands, for whoever opens the project next."""
        self._stores.keep_clock()

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

    def quicken(self) -> None:
        """Take clean new rows the quick way from now on; see `heptad.service.decisions.quick`."""
        from heptad.service.decisions.quick import quickened

        made = quickened(self._stores, self.apps, self.reads, self.desk, self.guard)
        made.start()
        self.intake.quick = made

    def settle(self) -> None:
        """Store every row that was answered, and index every decision."""
        self._stores.settle()

    def close(self) -> None:
        """Let the stores go.

        Raises:
            Busy: if the disk refused what a store wrote at last; all are closed even so.
        """
        if self.intake.quick is not None:
            self.intake.quick.stop()
        self._stores.close()

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
        return self._stores.duck

    def app(self, name: str) -> App:
        """Find an application.

        Raises:
            UnknownName: if there is none of that name.
        """
        return _named("application", name, self.apps)

    def table(self, name: str) -> type[Table]:
        """Find a table.

        Raises:
            UnknownName: if there is none of that name.
        """
        return _named("table", name, self.tables)

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

    def read(
        self,
        table: str,
        t: int | None = None,
        k: int | None = None,
        *,
        version: int | None = None,
        limit: int | None = None,
        after: str = "",
        **reader: Unpack[Reader],
    ) -> pa.Table:
        """Read a table as of an instant in both times, or all row versions of a stored version.

        Args:
            table: its name.
            t: what had happened by then, microseconds.
            k: what was known by then, microseconds.
            version: a stored version; with t or k, the read is of that version.
            limit: most rows.
            after: only keys beyond this one.
            **reader: `purpose`, "" to see personal values masked; `role`; `who` reads, as the
                access log names it; of each the platform's own by default, here and below.

        Returns:
            Arrow table in key order; sealed cells answer as role and purpose permit. Rows of
            persons without a basis for the purpose, as known now, are not among them.

        Raises:
            Refused: if the role may not act for the purpose, or it does not cover the table.
            Busy: if the read cannot be recorded in the access log.
        """
        from heptad.service.reads.reading import shown

        declared = self.table(table)
        asked: dict[str, Any] = {"table": table, "t": t, "k": k, "version": version, "after": after}
        with self.guard.reading("read", **self._reader(**reader), **asked) as access:
            rows = self.reads.under(access).rows(
                declared, t, k, version=version, limit=limit, after=after
            )
            return shown(declared, rows, access, self.keys)

    def _reader(self, purpose: str | None = None, role: str = "", who: str = "") -> dict[str, str]:
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

        reader = self._reader(purpose, role, who)
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
        until: int | None = None,
        limit: int = 50,
        **reader: Unpack[Reader],
    ) -> list[Entry]:
        """Return who read what about whom and why, the newest first; itself a recorded read.

        Args:
            subject: only reads about one person, `Customer:42`.
            since: only those from this instant on, microseconds.
            until: only those up to this instant, microseconds.
            limit: most of them.
            **reader: as for `read`; of purposes audit or legal, as the role has one, by default.

        Raises:
            Refused: if the purpose is none of a review.
        """
        with self.reviewing("access", **reader, subject=subject) as access:
            access.review()
            access.about([subject] if subject else [])
            found = self.access.entries(since=since, until=until, subject=subject, limit=limit)
            access.read.rows = len(found)
            return found

    def reviewed(self, entries: Sequence[Opened]) -> list[Opened]:
        """Return those decisions that the read which goes on may see; fewer, or all of them.

        Outside of a read it is one of its own.

        Raises:
            Refused: if they are read neither for their application's purpose nor for a review.
        """
        from heptad.service.reads.guard import purpose_of

        if self.guard.current is not None:
            return self.guard.current.reviewed(self.apps, entries)
        with self.reviewing("decisions", purpose_of(self.apps, entries)) as access:
            return access.reviewed(self.apps, entries)

    def explore(
        self,
        sql: str,
        t: int | None = None,
        k: int | None = None,
        *,
        limit: int = 1_000,
        **reader: Unpack[Reader],
    ) -> Answer:
        """Answer a question in SQL over the declared tables; see `heptad.service.reads.exploring`.

        Args:
            sql: one SELECT.
            t: what had happened by then, microseconds.
            k: what was known by then, microseconds.
            limit: most rows of the answer.
            **reader: as for `read`.

        Raises:
            Refused: if it is more than a question, or purpose and role do not allow it.
            InputError: if it cannot be answered.
            Busy: if it takes more than a question may.
        """
        from heptad.engine.local.worker import Limits
        from heptad.service.reads.exploring import explore

        limits = Limits(rows=limit)
        asked: dict[str, Any] = {"sql": sql, "t": t, "k": k}
        with self.guard.reading("explore", **self._reader(**reader), **asked) as access:
            reads = self.reads.under(access)
            return explore(sql, self.tables, reads, access, self.keys, t=t, k=k, limits=limits)

    def features(self, names: Iterable[str]) -> list[Feature]:
        """Find features by `app.name`.

        Raises:
            UnknownName: if one is not declared.
        """
        known = {f"{a.name}.{n}": f for a in self.apps.values() for n, f in a.features.items()}
        return [_named("feature", name, known) for name in names]

    def history(
        self,
        spine: pa.Table,
        features: Sequence[Feature],
        *,
        engine: str = "local",
        **reader: Unpack[Reader],
    ) -> pa.Table:
        """Compute features for a spine, for training or analysis.

        Args:
            spine: columns named after entities (`Customer`) or key columns (`customer`), the
                instants `event_time` and, optionally, `known_time` (event_time by default).
            features: what to compute; by name through `features()`.
            engine: local, or spark; both give the same bits.
            **reader: as for `read`; a purpose there must be.

        Returns:
            The spine with one column per feature, in spine order; of persons without a basis for
            the purpose nothing is counted.

        Raises:
            Refused: if the role may not act for the purpose, or it does not cover a table.
        """
        with self.guard.computing("history", features, **self._reader(**reader)) as access:
            access.asks(spine)
            reads = self.reads.under(access).on(engine, self.project.engine.threads)
            return reads.history(spine, features)

    def online(
        self,
        keys: Mapping[str, str],
        features: Sequence[Feature],
        *,
        exact: bool = True,
        **reader: Unpack[Reader],
    ) -> Values:
        """Read features of one key as of now; see `heptad.service.online.serving`.

        Args:
            keys: entity → key, for example {"Customer": "42"}.
            features: what to read.
            exact: compute what is not kept online, or late; else it is answered as it is kept.
            **reader: as for `read`; a purpose there must be.

        Raises:
            Refused: if the role may not act for the purpose, or it does not cover a table.
        """
        with self.guard.computing("online", features, **self._reader(**reader)) as access:
            access.about(f"{entity}:{key}" for entity, key in keys.items())
            access.read.rows = 1
            return self.served.answer(keys, features, access, exact=exact)

    def gate(self, **reader: Unpack[Reader]) -> Gate:
        """Open the row store for one role and one purpose; see `heptad.service.online.gate`."""
        from heptad.service.online.gate import Gate

        declared = [f for app in self.apps.values() for f in app.features.values()]
        return Gate(self._stores.rows, self.guard, declared, **self._reader(**reader))

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
        self, name: str, to: str = "officer", *, language: str = "en", **reader: Unpack[Reader]
    ) -> dict[str, Any]:
        """Explain a decision; see `heptad.service.decisions.explaining`.

        Args:
            name: the decision's id.
            to: engineer, officer or customer.
            language: of the sentences.
            **reader: as for `read`; the purpose by default the application's own or a review, as
                the role may.

        Raises:
            Refused: if the purpose is another, or the person has no basis for it left.
            UnknownName: if there is no such decision.
        """
        from heptad.service.decisions.explaining import explain_under
        from heptad.service.operators.definitions import behind

        entry = self.log.get(name)
        app = self.app(str(entry.public["app"]))
        with self.reviewing("explain", app.purpose, **reader, decision=name, to=to) as access:
            found = explain_under(access, entry, app, to=to, language=language)
        if "definitions" in found:
            found["definitions"] = behind(self.catalog, app.name, found["definitions_version"])
        return found

    def replay(self, ids: Iterable[str] | None = None, **reader: Unpack[Reader]) -> Replay:
        """Replay decisions, all by default; see `heptad.service.decisions.replaying`.

        Args:
            ids: of the decisions.
            **reader: as for `explain`.

        Raises:
            Refused: if the purpose is another than that of an application or of a review.
        """
        from heptad.service.reads.guard import purpose_of

        chosen = None if ids is None else [self.log.get(i) for i in ids]
        aim, named = (
            purpose_of(self.apps, chosen or ()),
            [str(e.public["id"]) for e in chosen or ()],
        )
        with self.reviewing("replay", aim, **reader, decisions=named) as access:
            entries: Iterable[Opened] = self.log.entries() if chosen is None else chosen
            return self.desk.replay(access.each_reviewed(self.apps, entries))

    def run(self, job: str, date: str) -> Mapping[str, Any]:
        """Run a job for a date, once; a finished run answers again what it answered.

        Raises:
            UnknownName: if there is no such job.
        """
        return dict(self.work.jobs.run(job, date).result or {})

    def training_set(
        self, app: str, *, until: int, known: int, **reader: Unpack[Reader]
    ) -> TrainingSet:
        """Gather the rows of an application that have a label, with their inputs as known then.

        Args:
            app: name of the application.
            until: rows before this instant, microseconds.
            known: labels known by then.
            **reader: as for `read`; by default the application's own purpose, and the role of an
                application, which learns to decide.

        Raises:
            ContractError: if the application has no model.
            Refused: if the role may not act for the purpose, or it does not cover a table.
        """
        from heptad.service.modes import hidden
        from heptad.service.reads.guard import as_application
        from heptad.service.training import gather_under

        chosen = self.app(app)
        own = self._reader(**as_application(chosen, reader))
        nobodys = hidden(chosen, self.desk.policy(chosen))
        with self.guard.reading("train", **own, app=app, until=until, known=known) as access:
            return gather_under(
                access, chosen, self.reads, until=until, known=known, nobodys=nobodys
            )

    def train(  # noqa: PLR0913 - what a training is, by name
        self,
        app: str,
        *,
        until: int | None = None,
        known: int | None = None,
        seed: int = 0,
        crosses: int = 0,
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
            crosses: most crossed features that a scorecard finds; 0 finds none.
            trainer: who trains; somebody else must approve.
            purpose: why; the application's own by default.
            role: in which role; by default that of an application, which learns to decide.
        """
        from heptad.service.training import train_candidate

        self.room.require()
        chosen, now = self.app(app), self.clock.now()
        until, known = until if until is not None else now, known if known is not None else now
        reader: Reader = {"purpose": purpose, "role": role, "who": trainer}
        trained = train_candidate(
            chosen,
            self.training_set(app, until=until, known=known, **reader),
            self.catalog.models,
            seed=seed,
            trainer=trainer,
            versions=self.reads.versions(chosen),
            settings={"seed": seed, "until": until, "known": known}
            | ({"crosses": crosses} if crosses else {}),
        )
        self.trace()
        return trained

    def approve(self, number: int, who: str, note: str, to: Stage = "champion") -> Model:
        """Approve a model that somebody else trained, and let it decide from now on.

        As a challenger it is tried beside the one that decides; see `heptad.service.flows.publishing`.
        """
        from heptad.service.flows.publishing import put_to_work

        model = put_to_work(self.catalog.models, number, to, who, note)
        self.trace()
        return model
