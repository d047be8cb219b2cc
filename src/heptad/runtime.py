# SPDX-License-Identifier: Apache-2.0
"""The one place that wires the layers together."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.service.discovery import discover, tables_of
from heptad.service.reads.permitted import Reading
from heptad.standards.errors import HeptadError
from heptad.standards.time import FixedClock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Unpack

    from heptad.catalog.models import Model, Stage
    from heptad.engine.local.duck import Duck
    from heptad.ingest.report import LoadReport, RowsReport
    from heptad.service.app import App
    from heptad.service.decisions.deciding import Asked
    from heptad.service.decisions.records import Opened
    from heptad.service.decisions.replaying import Replay
    from heptad.service.reads.guard import Reader
    from heptad.service.stores import Stores
    from heptad.service.training import Trained, TrainingSet
    from heptad.sources.config import Project
    from heptad.standards.time import Clock

__all__ = ["Platform", "discover", "tables_of"]


def _clock_of(project: Project) -> Clock:
    """Return the machine's clock, or the fixed one of a simulated project."""
    return SystemClock() if project.clock is None else FixedClock(project.clock)


class Platform(Reading):
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
            Held: if another process holds the project.
            InputError: if heptad.toml is missing or wrong.
            Refused: if the folder is on a network file system.
        """
        folder = Path(path).resolve()
        return cls(folder, role=role, purpose=purpose, who=who, clock=clock, apps=apps)

    def quicken(self) -> None:
        """Take clean new rows the quick way from now on; see `heptad.service.decisions.quick`."""
        from heptad.service.decisions.quick import quickened

        # What a killed server left costs disk only: a row store that is damaged hinders no decision.
        with suppress(HeptadError):
            self._stores.drop_streams()
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
            with suppress(HeptadError):
                self._stores.drop_streams()
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
