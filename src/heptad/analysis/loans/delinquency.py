# SPDX-License-Identifier: Apache-2.0
"""Days past due, default and cure: what each day made of a loan."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.analysis.loans.ledger import Book, Step

BUCKETS = ("current", "1-30", "31-60", "61-90", "91+", "repaid", "written off")
"""Where a loan stands at the end of a month; the last two are left no more."""
REPAID, WRITTEN_OFF = 5, 6


@dataclass(frozen=True)
class Rule:
    """When a loan is in default, and when no longer.

    Attributes:
        days: it is after more than so many days in a row with a material amount past due.
        amount: what is past due counts if it is more than this, in minor units, ...
        share: ... and more than this share of what is owed in all.
        probation: days in a row without anything material past due after which it is cured.
        forborne: the same for a loan that was restructured while in default, counted from the
            restructure at the earliest; and days for which any restructured loan is watched.

    Source: EBA/GL/2016/07, sections 4 and 7; the materiality of Regulation (EU) 2018/171,
    articles 1 and 2.
    """

    days: int = 90
    amount: int = 0
    share: float = 0.0
    probation: int = 90
    forborne: int = 365

    def __post_init__(self) -> None:
        if min(self.days, self.amount, self.share, self.probation, self.forborne) < 0:
            raise ContractError("A rule counts from 0 on.", got=str(self))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a loan stands at the end of a day.

    Attributes:
        day: of which.
        days_past_due: since the oldest unpaid thing fell due.
        material: days in a row with a material amount past due.
        late: what is past due, in minor units.
        balance: principal not paid back.
        default: whether it is in default.
        since: day on which it came to be in default, None if it is not.
        watched: whether it was restructured within `Rule.forborne` days.
        status: running, repaid or written off.
    """

    day: date
    days_past_due: int
    material: int
    late: int
    balance: int
    default: bool
    since: date | None
    watched: bool
    status: str

    @property
    def bucket(self) -> int:
        """Index into `BUCKETS`."""
        return bucket(self.days_past_due, self.status)


def bucket(days_past_due: int, status: str = "running") -> int:
    """Return where a loan stands, as an index into `BUCKETS`.

    >>> [bucket(n) for n in (0, 1, 30, 31, 60, 61, 90, 91, 400)]
    [0, 1, 1, 2, 2, 3, 3, 4, 4]
    """
    if status == "repaid":
        return REPAID
    if status == "written off":
        return WRITTEN_OFF
    return min((days_past_due + 29) // 30, 4)


@dataclass(frozen=True, slots=True)
class Course:
    """What days made of a loan.

    Attributes:
        standings: one for each day that was asked for, in order.
        defaults: first day of each default, and the day on which it was over; None if it lasts.
    """

    standings: list[Standing]
    defaults: list[tuple[date, date | None]]


def standings(made: Book, rule: Rule, days: Sequence[date] = ()) -> list[Standing]:
    """Tell where a loan stood at the end of days; see `course`."""
    return course(made, rule, days).standings


def course(made: Book, rule: Rule, days: Sequence[date] = ()) -> Course:
    """Tell where a loan stood at the end of days, and when it was in default, from its book.

    Args:
        made: the book; nothing is said of days after `made.day`.
        rule: of default and cure.
        days: in order; the book's own last day by default.

    Returns:
        One standing for each day, in order. Before its start a loan stands nowhere: such days
        are left out. Defaults up to the last of the days.
    """
    wanted = list(days) or [made.day]
    walk, steps, found = _Walk(rule, sorted(made.restructured)), made.steps, []
    first = steps[0].day if steps else wanted[-1] + timedelta(days=1)
    for day in wanted:
        if made.begun <= day < first:
            lent = made.total("lent")
            found.append(Standing(day, 0, 0, 0, lent, False, None, False, "running"))
    for n, step in enumerate(steps):
        end = steps[n + 1].day if n + 1 < len(steps) else wanted[-1] + timedelta(days=1)
        found += walk.pass_days(step, min(end, wanted[-1] + timedelta(days=1)), wanted)
    return Course(found, walk.defaults)


class _Walk:
    """Counts days in a row."""

    def __init__(self, rule: Rule, restructured: Sequence[date]) -> None:
        self.rule, self.restructured = rule, restructured
        self.material = self.clean = 0
        self.since: date | None = None
        self.forborne: date | None = None
        self.defaults: list[tuple[date, date | None]] = []

    def pass_days(self, step: Step, end: date, wanted: Sequence[date]) -> list[Standing]:
        """Let the days pass on which a loan stood so; return those that are wanted.

        While nothing is late and no default lasts, no day differs from the one before.
        """
        low, high = bisect_left(wanted, step.day), bisect_left(wanted, end)
        if step.day >= end:
            return []
        if step.oldest is None and self.since is None and step.status != "written off":
            return [self.day(day, step) for day in [*wanted[low:high], end - timedelta(days=1)]][
                : high - low
            ]
        asked = set(wanted[low:high])
        every = (step.day + timedelta(days=n) for n in range((end - step.day).days))
        stood = [(day, self.day(day, step)) for day in every]
        return [standing for day, standing in stood if day in asked]

    def day(self, day: date, step: Step) -> Standing:
        """Let one day pass over a loan that stands as `step` says."""
        rule = self.rule
        past = (day - step.oldest).days if step.oldest is not None else 0
        late = step.late if past else 0
        material = late > rule.amount and late > rule.share * step.balance
        self.material = self.material + 1 if material else 0
        if day in self.restructured and self.since is not None:
            self.forborne, self.clean = day, 0
        if self.since is None and (self.material > rule.days or step.status == "written off"):
            self.since, self.clean, self.forborne = day, 0, None
            self.defaults.append((day, None))
        elif self.since is not None:
            self.clean = 0 if material else self.clean + 1
            needed = rule.forborne if self.forborne else rule.probation
            if step.status == "repaid" or (step.status == "running" and self.clean >= needed):
                self.defaults[-1] = (self.since, day)
                self.since = self.forborne = None
        watched = any(0 <= (day - when).days <= rule.forborne for when in self.restructured)
        return Standing(
            day, past, self.material, late, step.balance,
            self.since is not None, self.since, watched, step.status,
        )  # fmt: skip
