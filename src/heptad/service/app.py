# SPDX-License-Identifier: Apache-2.0
"""What an application is made of: plain data from which the platform derives the rest."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal, Protocol

from heptad.service.features import Feature, named, tables_of
from heptad.standards.errors import ContractError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from heptad.service.cases.inboxes import Inbox
    from heptad.service.flows.published import Flowing
    from heptad.service.letters import Letter
    from heptad.service.modes import Mode
    from heptad.standards import Field, Table

OUTCOMES = ("approve", "decline", "refer", "hold", "challenge", "offer", "skip")
"""What a decision may come to."""

Plain = bool | int | float | str | None


@dataclass(frozen=True)
class Reason:
    """Why: a stable code and the numbers that its sentence names."""

    code: str
    numbers: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What `decide` answers: the outcome, reasons in order of weight, and amounts in minor units."""

    outcome: str
    reasons: Sequence[Reason]
    amounts: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ContractError(
                "A decision has an outcome of the list.",
                got=self.outcome,
                do=suggest(self.outcome, OUTCOMES),
            )
        if not self.reasons:
            raise ContractError("A decision gives at least one reason.", got=self.outcome)


@dataclass(frozen=True)
class Score:
    """What a model says of one row.

    Attributes:
        probability: of the event that the model was trained on, in [0, 1].
        points: the score in whole points, higher is better; None for a model without points.
        contributions: points lost against the best value of each input, most lost first.
    """

    probability: float
    points: int | None
    contributions: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Inputs:
    """What `decide` sees: features by name, the score, the policy, the row, and when it was known."""

    features: Mapping[str, Plain]
    row: Mapping[str, Plain]
    policy: Mapping[str, Plain]
    score: Score | None = None
    known_time: int | None = None

    def __getitem__(self, name: str) -> Any:
        """Return the value of a feature for this row: None where there is nothing to count.

        Fields of the row itself are in `row`, what people may change in `policy`.

        Raises:
            KeyError: if the application declares no feature of that name.
        """
        return self.features[name]


class Estimator(Protocol):
    """A model that can be trained, scored row by row and written as bytes."""

    @classmethod
    def train(cls, columns: Mapping[str, Any], target: Any, *, seed: int) -> Estimator:
        """Fit on named columns, (n,) each with NaN or None for missing, and a 0/1 target (n,)."""
        ...

    def score(self, row: Mapping[str, Plain]) -> Score:
        """Score one row."""
        ...

    def probabilities(self, columns: Mapping[str, Any]) -> Any:
        """Score many rows, equal bit for bit to `score`; (n,) float64."""
        ...

    def to_bytes(self) -> bytes:
        """Write the model; equal models give equal bytes."""
        ...

    @classmethod
    def from_bytes(cls, data: bytes) -> Estimator:
        """Read a model back."""
        ...


@dataclass(frozen=True)
class Model:
    """A model of an application.

    Args:
        name: what it is called, for example scorecard.
        target: the Flag that is learned, for example Label.default.
        link: the Ref of the same table that names the row it labels, for example Label.application.
        inputs: names of features, and of fields of the row that asks for the decision.
        estimator: the class that is trained.
        cleared: inputs that may be strong enough to look like the outcome itself, because you
            know that they were there before it; they are told, but do not stop a training.
        matures: how long after the event every outcome is known, microseconds. Younger rows are
            not learned from: at first only the bad outcomes of a loan are known.
    """

    name: str
    target: Field
    link: Field
    inputs: Sequence[str]
    estimator: type[Estimator]
    cleared: Sequence[str] = ()
    matures: int = 0


@dataclass(frozen=True)
class Job:
    """Work done by date.

    Attributes:
        name: of the job.
        title: what it does, in one sentence.
        run: does it for a date; done again it must come to the same.
        reads: the tables that it reads, so that a correction of one tells which runs to make again.
    """

    name: str
    title: str
    run: Callable[[Any, str], Mapping[str, Plain]]
    reads: Sequence[type[Table]] = ()


Form = Literal[
    "stat", "table", "chart", "distribution", "timeline", "graph", "map", "decision", "text", "form"
]


@dataclass(frozen=True)
class Block:
    """A part of a page: what it reads, in which form, under which title.

    Args:
        form: how it is drawn.
        read: what is read and by which clauses, such as `decisions app=fraud outcome=hold`;
            of the form `text`, the text itself.
        title: for people.
        note: what else is to be known, in a few words.
        width: columns of twelve that it takes.
    """

    form: Form
    read: str
    title: str
    note: str = ""
    width: Literal[3, 4, 6, 8, 12] = 12


@dataclass(frozen=True)
class Page:
    """A page as data: the question it answers, and what it reads, in one form or in blocks."""

    path: str
    question: str
    reads: Mapping[str, str] = field(default_factory=dict)
    form: Form = "table"
    blocks: Sequence[Block] = ()

    def parts(self) -> list[Block]:
        """Return the page as blocks; one for each read where none is declared."""
        plain = [
            Block(self.form, text if what == "text" else f"{what} {text}", what.capitalize())
            for what, text in self.reads.items()
        ]
        return [*self.blocks, *plain]


@dataclass(frozen=True)
class App:
    """One application.

    Args:
        name: short name, the folder's own.
        title: for people.
        on: the table whose new rows ask for a decision.
        purpose: the purpose under which it reads.
        features: by name.
        decide: a pure function of its inputs.
        tables: tables of its own beside the shared ones.
        policy: named values that people may change without code.
        model: what is trained and scored.
        jobs: work done by date.
        pages: what the console shows of it.
        demo: rows of `on`'s history for tests: seed → tables of rows as plain dicts.
        letters: what is said to the person after a decision.
        inboxes: where people work on decisions that a machine does not take alone.
        resume: a pure function that answers what people decided: of the same inputs, with
            `case.outcome` among the policy values; by default that outcome is the answer.
        flow: the flow that `decide` follows, where it is data.
        prepare: completes a new row of `on` before it is stored, from what the open platform
            holds: platform, row → row. What a caller sends in the fields that it fills is dropped.
            A row that is stored already is not completed again.
        modes: ways in which it runs, by name; the policy value `mode` says in which.
        check: refuses policy values that it cannot decide by, with a ContractError; asked whenever
            they are read.
    """

    name: str
    title: str
    on: type[Table]
    purpose: str
    features: Mapping[str, Feature]
    decide: Callable[[Inputs], Outcome]
    tables: Sequence[type[Table]] = ()
    policy: Mapping[str, Plain] = field(default_factory=dict)
    model: Model | None = None
    jobs: Sequence[Job] = ()
    pages: Sequence[Page] = ()
    demo: Callable[[int], Mapping[type[Table], Sequence[Mapping[str, Any]]]] | None = None
    letters: Sequence[Letter] = ()
    inboxes: Sequence[Inbox] = ()
    resume: Callable[[Inputs], Outcome] | None = None
    flow: Flowing | None = None
    prepare: Callable[[Any, Mapping[str, Any]], Mapping[str, Any]] | None = None
    modes: Mapping[str, Mode] = field(default_factory=dict)
    check: Callable[[Mapping[str, Plain]], None] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", named(self.features))
        if self.on.subject is None:
            raise ContractError(
                f"{self.name}: decisions are about a subject, and {self.on.__name__} names none.",
                do="mark one Ref of the table with subject=True",
            )
        known = {*self.features, *self.on.fields}
        for name in self.model.inputs if self.model else ():
            if name not in known:
                raise ContractError(
                    f"{self.name}: the model reads {name!r}, which is no feature and no field of "
                    f"{self.on.__name__}.",
                    got=name,
                    do=suggest(name, known),
                )
        for mode in self.modes.values():
            self._check(mode)

    def _check(self, mode: Mode) -> None:
        """Refuse a mode that names a table or a policy value that the application does not have."""
        read = (*self.used_tables(), *self.tables, *(t for job in self.jobs for t in job.reads))
        tables = {table.__name__: table for table in read}
        for names, known in (([s.table for s in mode.sources], tables), (mode.policy, self.policy)):
            for name in names:
                if name not in known:
                    raise ContractError(
                        f"{self.name}: the mode {mode.name} names {name!r}, which the application "
                        "does not have.",
                        got=name,
                        do=suggest(name, known),
                    )

    @cached_property
    def nobodys(self) -> Mapping[str, tuple[str, ...]]:
        """By mode, the names of the features that rest on what nobody holds in it."""
        return {
            name: tuple(n for n, feature in self.features.items() if not mode.has(feature))
            for name, mode in self.modes.items()
        }

    @cached_property
    def folder(self) -> FilePath:
        """Where the application's code lies."""
        return FilePath(inspect.getfile(inspect.unwrap(self.decide))).parent

    def code_version(self) -> str:
        """Return a hash of the application's own Python files and flows."""
        digest = hashlib.sha256()
        for path in sorted([*self.folder.glob("*.py"), *self.folder.glob("*.yaml")]):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:16]

    def used_tables(self) -> Iterator[type[Table]]:
        """Yield every table that a decision reads, the one decided on first."""
        read = [table for feature in self.features.values() for table in tables_of(feature)]
        yield from dict.fromkeys([self.on, *read])
