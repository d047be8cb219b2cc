# SPDX-License-Identifier: Apache-2.0
"""What a book is expected to lose: stages, and twelve-month and lifetime loss in scenarios."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from heptad.analysis.arrays import Array, Codes

YEAR = 12


@dataclass(frozen=True)
class Worse:
    """When the risk of a loan has risen much since it was made.

    Attributes:
        days: it is late by more than so many days, ...
        ratio: ... or its lifetime probability of default is more than so many times what it was
            at the start, ...
        rise: ... and by more than this, so that small risks may double in peace, ...
        low: ... unless its twelve-month probability is at most this (low credit risk).

    Source: IFRS 9, 5.5.3, 5.5.10, 5.5.11, B5.5.19 and B5.5.22.
    """

    days: int = 30
    ratio: float = 2.0
    rise: float = 0.005
    low: float = 0.003


@dataclass(frozen=True)
class Risk:
    """Probabilities of default, all (n,).

    Attributes:
        now: over what is left of a loan's life, as seen now.
        then: over the same time, as seen when it was made.
        year: within twelve months, as seen now.
    """

    now: Array
    then: Array
    year: Array


def stages(
    days_past_due: ArrayLike, default: ArrayLike, watched: ArrayLike, risk: Risk, worse: Worse
) -> NDArray[np.int8]:
    """Put loans into stages.

    Args:
        days_past_due: (n,).
        default: (n,) whether it is in default.
        watched: (n,) whether it is restructured or stands on the watch list.
        risk: of default.
        worse: when risk has risen much.

    Returns:
        (n,) 1, 2 or 3.
    """
    risen = (risk.now > worse.ratio * risk.then) & (risk.now - risk.then > worse.rise)
    risen &= risk.year > worse.low
    late = np.asarray(days_past_due) > worse.days
    second = risen | late | np.asarray(watched, np.bool_)
    return np.where(np.asarray(default, np.bool_), 3, np.where(second, 2, 1)).astype(np.int8)


@dataclass(frozen=True)
class Scenarios:
    """What may come, with what is lost then.

    Attributes:
        names: of the scenarios.
        weights: (s,) their probabilities, which add up to 1.
        hazard: (s, grades, months) probability to default in a month, given none before. Later
            months are as the last.
        lgd: (s, segments) share of what is owed that a default loses.
    """

    names: tuple[str, ...]
    weights: Array
    hazard: Array
    lgd: Array

    def __post_init__(self) -> None:
        for name, rank in (("weights", 1), ("hazard", 3), ("lgd", 2)):
            values = np.ascontiguousarray(getattr(self, name), np.float64)
            if values.ndim != rank or len(values) != len(self.names) or not values.size:
                raise ContractError(f"{name} has a row for each scenario.", got=str(values.shape))
            if not ((values >= 0) & (values <= 1)).all():
                raise ContractError(f"{name} are shares, from 0 to 1.", got=float(np.max(values)))
            object.__setattr__(self, name, values)
        if abs(float(self.weights.sum()) - 1) > 1e-9:
            raise ContractError(
                "The scenarios' weights add up to 1.", got=float(self.weights.sum())
            )

    def marginal(self) -> Array:
        """Return the probability to default in just that month, (s, grades, months)."""
        alive = np.cumprod(1 - self.hazard, axis=2)
        before = np.concatenate([np.ones_like(alive[:, :, :1]), alive[:, :, :-1]], axis=2)
        return np.asarray(before * self.hazard)

    def probability(self, months: int) -> Array:
        """Return the weighted probability to default within so many months, (grades,)."""
        alive = np.prod(1 - self.reaching(months).hazard[:, :, :months], axis=2)
        return np.asarray(self.weights @ (1 - alive))

    def reaching(self, months: int) -> Scenarios:
        """Return the same scenarios with hazards of at least so many months."""
        more = max(0, months - self.hazard.shape[2])
        last = np.repeat(self.hazard[:, :, -1:], more, axis=2)
        hazard = np.concatenate([self.hazard, last], axis=2)
        return Scenarios(self.names, self.weights, hazard, self.lgd)


@dataclass(frozen=True)
class Loss:
    """What is expected to be lost, in minor units.

    Attributes:
        booked: (n,) by the loan's stage: twelve months, lifetime, or all that a default loses.
        year: (n,) of defaults within twelve months.
        lifetime: (n,) of defaults over what is left of its life.
        each: (s,) what would be booked in all if one scenario were certain.
    """

    booked: Codes
    year: Codes
    lifetime: Codes
    each: Codes


@dataclass(frozen=True)
class Exposures:
    """What is owed now, all (n,).

    Attributes:
        balance: in minor units.
        rate: nominal yearly interest in millionths; a twelfth is counted a month.
        remaining: months until the last instalment; 0 counts as one.
        grade: row of `Scenarios.hazard`.
        segment: column of `Scenarios.lgd`.
        stage: 1, 2 or 3.
        bullet: whether the principal is paid at the end; else the level instalment of what is
            left is.
    """

    balance: Codes
    rate: NDArray[np.int32]
    remaining: NDArray[np.int32]
    grade: NDArray[np.int32]
    segment: NDArray[np.int32]
    stage: NDArray[np.int8]
    bullet: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.bullet is None:
            object.__setattr__(self, "bullet", np.zeros(len(self.balance), np.bool_))
        kinds = (np.int64, *[np.int32] * 4, np.int8, np.bool_)
        for f, kind in zip(fields(self), kinds, strict=True):
            object.__setattr__(self, f.name, np.ascontiguousarray(getattr(self, f.name), kind))
        lengths = [len(column) for column in self.columns()]
        if len(set(lengths)) != 1:
            raise ContractError("Columns have one length.", got=str(lengths))
        for name in ("balance", "rate", "remaining"):
            _in_range(name, getattr(self, name), 0, 2**62)
        _in_range("stage", self.stage, 1, 3)

    def columns(self) -> list[NDArray[Any]]:
        """Return the columns in order."""
        return [getattr(self, f.name) for f in fields(self)]

    def take(self, rows: NDArray[Any] | slice) -> Exposures:
        """Return some of the rows."""
        return Exposures(*(column[rows] for column in self.columns()))


def expected_loss(exposures: Exposures, scenarios: Scenarios) -> Loss:
    """Compute the expected credit loss of each loan.

    A default in month m loses, of what is owed at the beginning of that month, the share LGD; it
    is discounted by m months at the loan's own rate.

    Args:
        exposures: what is owed now.
        scenarios: what may come.

    Returns:
        Whole minor units, each loan rounded half to even; the same for any order or part of the
        loans.

    Raises:
        ContractError: if a grade or segment is none of the scenarios'.

    Source: IFRS 9, 5.5.17 and B5.5.41 to B5.5.44: unbiased, weighted, discounted.
    """
    from heptad.analysis.loans.compiled import sum_losses

    _in_range("grade", exposures.grade, 0, scenarios.hazard.shape[1] - 1)
    _in_range("segment", exposures.segment, 0, scenarios.lgd.shape[1] - 1)
    n, longest = len(exposures.balance), max(int(exposures.remaining.max(initial=1)), YEAR)
    lost = scenarios.reaching(longest).marginal()
    booked, year, lifetime = (np.empty(n, np.int64) for _ in range(3))
    each = np.zeros(len(scenarios.names), np.int64)
    columns = exposures.columns()
    sum_losses(*columns, scenarios.weights, lost, scenarios.lgd, booked, year, lifetime, each)
    return Loss(booked, year, lifetime, each)


def _in_range(name: str, values: NDArray[np.integer], low: int, high: int) -> None:
    if len(values) and not low <= int(values.min()) <= int(values.max()) <= high:
        raise ContractError(
            f"{name} lies from {low} to {high}.", got=f"{values.min()} … {values.max()}"
        )


@dataclass(frozen=True)
class Bridge:
    """From one expected loss to the next, in minor units; the parts add up exactly.

    Attributes:
        before, after: at both ends.
        parts: what moved it, in order: "new", "gone", "repaid", "stage 1 to 2", ..., "risk".
    """

    before: int
    after: int
    parts: dict[str, int]


def bridge(
    before: dict[str, tuple[int, int, int]], after: dict[str, tuple[int, int, int]]
) -> Bridge:
    """Explain how expected loss moved from one day to another.

    Args:
        before: loan → (stage, balance, expected loss), in minor units.
        after: the same on the later day.

    Returns:
        A bridge. A loan that stayed in its stage moves "repaid" by its loss in proportion to the
        balance (rounded half to even), and "risk" by the rest; one that changed stage moves that.
    """
    parts: dict[str, int] = {"new": 0, "gone": 0, "repaid": 0}
    for loan in sorted(before.keys() | after.keys()):
        if loan not in before:
            parts["new"] += after[loan][2]
        elif loan not in after:
            parts["gone"] -= before[loan][2]
        else:
            _moved(parts, before[loan], after[loan])
    start, end = (sum(loss for _, _, loss in side.values()) for side in (before, after))
    return Bridge(start, end, parts)


def _moved(parts: dict[str, int], then: tuple[int, int, int], now: tuple[int, int, int]) -> None:
    if then[0] != now[0]:
        name = f"stage {then[0]} to {now[0]}"
        parts[name] = parts.get(name, 0) + now[2] - then[2]
        return
    kept = round(Fraction(then[2] * now[1], then[1])) if then[1] else then[2]
    parts["repaid"] += kept - then[2]
    parts["risk"] = parts.get("risk", 0) + now[2] - kept


def total(losses: Sequence[int] | Codes) -> int:
    """Add up minor units as Python does, so that no sum overflows."""
    return int(sum(int(x) for x in losses))
