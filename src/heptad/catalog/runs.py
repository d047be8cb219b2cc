# SPDX-License-Identifier: Apache-2.0
"""Runs of jobs: each is done once for its date, and goes on where a dead process left it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import insert, select, update

from heptad.catalog.inserts import upsert
from heptad.catalog.processes import alive, identity
from heptad.catalog.schema import RunRow, StepRow
from heptad.standards.errors import Busy, Conflict, HeptadError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from heptad.catalog.store import Store

Status = Literal["running", "finished", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run: its checkpoint as plain data, and whether it is done."""

    name: str
    checkpoint: Any
    started: int
    ended: int | None

    @property
    def done(self) -> bool:
        """Whether it need not be done again."""
        return self.ended is not None


@dataclass(frozen=True, slots=True)
class Run:
    """One job for one date.

    Attributes:
        id: number of the run.
        job: name of the job; `date` is what it is for; `key` tells runs of one date apart.
        status: running, finished or failed.
        attempt: how often it was started, from 1.
        started: when it was first started, µs UTC; `ended` when it finished or failed.
        owner: the process that runs it, or ran it last.
        inputs: table → version that it read; `outputs`, that it wrote.
        result: what it returned, plain data.
        error: why it failed, as a problem document.
        steps: by name, in the order in which they began.
    """

    id: int
    job: str
    date: str
    key: str
    status: Status
    attempt: int
    started: int
    ended: int | None
    owner: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    result: Any
    error: dict[str, Any] | None
    steps: dict[str, Step]

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.status == "finished"


class Runs:
    """The runs of a project.

    A job starts its run, asks before each step whether it is done, keeps a checkpoint when it
    likes, and finishes. Only the process that started (or resumed) a run last may write to it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._me = identity(store.epoch)

    def start(self, job: str, date: str, key: str = "") -> Run:
        """Start a run, or go on with it; a finished one is returned as it is.

        Args:
            job: name of the job.
            date: what it is for, for example "2026-03-01".
            key: tells runs of the same job and date apart.

        Raises:
            Busy: if a living process runs it, be it this one.
        """
        now = self._store.clock.now()
        with self._store.write() as connection:
            where = (RunRow.job == job, RunRow.date == date, RunRow.key == key)
            found = connection.execute(select(RunRow.id).where(*where)).scalar()
            if found is not None:
                return self._take(connection, found, mine=False)
            row = {
                "job": job,
                "date": date,
                "key": key,
                "status": "running",
                "attempt": 1,
                "started": now,
                "owner": self._me,
                "inputs": {},
                "outputs": {},
            }
            number = connection.execute(insert(RunRow).returning(RunRow.id), row).scalar_one()
            return self._read(connection, number)

    def resume(self, run: int) -> Run:
        """Go on with a run that failed, that a dead process left, or that is this process's own.

        Raises:
            Busy: if another living process runs it.
            UnknownName: if there is none of that number.
        """
        with self._store.write() as connection:
            return self._take(connection, run, mine=True)

    @contextmanager
    def running(self, job: str, date: str, key: str = "") -> Iterator[Run]:
        """Start a run for a block; if the block raises, the run has failed and may start again.

        The block finishes the run itself, with its result; see `start`.
        """
        run = self.start(job, date, key)
        try:
            yield run
        except BaseException as error:
            if not run.finished:
                self.fail(run.id, error)
            raise

    def checkpoint(self, run: int, step: str, value: Any = None) -> None:
        """Keep how far a step is, from now on what `Run.steps` tells after a kill.

        Raises:
            Conflict: if another process goes on with the run, or it has ended.
            ContractError: if the value is not plain data.
        """
        self._mark(run, step, value, ended=None)

    def done(self, run: int, step: str, value: Any = None) -> None:
        """Record that a step need not be done again; see `checkpoint`."""
        self._mark(run, step, value, ended=self._store.clock.now())

    def finish(
        self,
        run: int,
        result: Any = None,
        *,
        inputs: Mapping[str, int] | None = None,
        outputs: Mapping[str, int] | None = None,
    ) -> Run:
        """Record that a run is done.

        Args:
            run: number of the run.
            result: what it returned, plain data.
            inputs: table → version that it read.
            outputs: table → version that it wrote.

        Raises:
            Conflict: if another process goes on with the run, or it has ended.
        """
        more = {"inputs": dict(inputs or {}), "outputs": dict(outputs or {})}
        return self._end(run, "finished", {"result": result, "error": None, **more})

    def fail(self, run: int, error: BaseException | str) -> Run:
        """Record that a run broke off; it can be started again."""
        problem = error.to_dict() if isinstance(error, HeptadError) else {"detail": str(error)}
        return self._end(run, "failed", {"error": problem})

    def get(self, run: int) -> Run:
        """Return a run by its number.

        Raises:
            UnknownName: if there is none.
        """
        with self._store.read() as connection:
            return self._read(connection, run)

    def recent(
        self,
        job: str | None = None,
        *,
        status: Status | None = None,
        until: int | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Return runs, the last one first; `until`, µs UTC, those that had begun by then."""
        wanted = select(RunRow.id).order_by(RunRow.id.desc()).limit(limit)
        if job is not None:
            wanted = wanted.where(RunRow.job == job)
        if status is not None:
            wanted = wanted.where(RunRow.status == status)
        if until is not None:
            wanted = wanted.where(RunRow.started <= until)
        with self._store.read() as connection:
            numbers = connection.execute(wanted).scalars().all()
            return [self._read(connection, number) for number in numbers]

    def resumable(self) -> list[Run]:
        """Return the runs that a dead process left running, the oldest first."""
        running = self.recent(status="running", limit=1000)
        return [run for run in reversed(running) if not alive(run.owner, self._me)]

    def _take(self, connection: Connection, number: int, *, mine: bool) -> Run:
        """Become the owner of a run, unless it is finished or its owner lives."""
        run = self._read(connection, number)
        if run.finished or (mine and run.status == "running" and run.owner == self._me):
            return run
        if run.status == "running" and alive(run.owner, self._me):
            raise Busy(
                f"{run.job} for {run.date} is running.",
                got=f"process {run.owner}",
                do="wait for it",
            )
        values = {"status": "running", "attempt": run.attempt + 1, "owner": self._me}
        taken = update(RunRow).where(RunRow.id == number)
        connection.execute(taken.values(**values, ended=None, error=None))
        return self._read(connection, number)

    def _mine(self, connection: Connection, number: int) -> Run:
        """Return a run that this process may write to."""
        run = self._read(connection, number)
        if run.status != "running" or run.owner != self._me:
            raise Conflict(
                f"{run.job} for {run.date} is no longer run by this process.",
                got=f"{run.status}, attempt {run.attempt}",
                do="start it again",
            )
        return run

    def _mark(self, number: int, step: str, value: Any, *, ended: int | None) -> None:
        """Write a step's row."""
        with self._store.write() as connection:
            run = self._mine(connection, number)
            row = {
                "run": number,
                "name": step,
                "place": len(run.steps),
                "checkpoint": value,
                "started": self._store.clock.now(),
                "ended": ended,
            }
            upsert(connection, StepRow, [row], update=("checkpoint", "ended"))

    def _end(self, number: int, status: Status, values: dict[str, Any]) -> Run:
        """Close a run that this process owns."""
        with self._store.write() as connection:
            self._mine(connection, number)
            closed = update(RunRow).where(RunRow.id == number)
            now = self._store.clock.now()
            connection.execute(closed.values(status=status, ended=now, **values))
            return self._read(connection, number)

    def _read(self, connection: Connection, number: int) -> Run:
        row = connection.execute(_RUNS.where(RunRow.id == number)).first()
        if row is None:
            raise UnknownName(f"There is no run {number}.", do="see `heptad runs`")
        wanted = select(StepRow.name, StepRow.checkpoint, StepRow.started, StepRow.ended)
        wanted = wanted.where(StepRow.run == number).order_by(StepRow.place)
        steps = {step.name: Step(*step) for step in connection.execute(wanted)}
        return Run(*(*row, steps))


_RUNS = select(*(getattr(RunRow, name) for name in Run.__slots__ if name != "steps"))
