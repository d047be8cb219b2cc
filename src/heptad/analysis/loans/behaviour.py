# SPDX-License-Identifier: Apache-2.0
"""How a loan and its borrower behave: inputs of a behaviour score, warnings, and their stability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heptad.analysis.stability import psi
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from heptad.analysis.arrays import Array

INPUTS = (
    "late_now", "worst_3m", "worst_12m", "times_late_12m", "months_since_late", "months_on_book",
    "share_repaid", "inflow_to_due", "inflow_trend", "months_without_salary",
)  # fmt: skip
"""What a behaviour score learns from; see `inputs`."""


def inputs(
    late: ArrayLike, on_book: ArrayLike, repaid: ArrayLike, inflow: ArrayLike,
    salary: ArrayLike, due: ArrayLike,
) -> dict[str, Array]:  # fmt: skip
    """Return what a behaviour score learns from, of loans at the end of a month.

    Args:
        late: (n, m) most days past due of each of the last m months, the latest last; NaN before
            the loan began.
        on_book: (n,) whole months since it began.
        repaid: (n,) share of the principal that is paid back.
        inflow: (n, m) money that came in to the borrower by month.
        salary: (n, m) salary among it.
        due: (n,) instalment of a month.

    Returns:
        `INPUTS` → (n,); NaN where there is nothing to tell it from.
    """
    days = np.asarray(late, np.float64)
    money, paid = np.asarray(inflow, np.float64), np.asarray(salary, np.float64)
    if days.ndim != 2 or money.shape != days.shape or paid.shape != days.shape:
        raise ContractError("Months of delay, inflow and salary have one shape.", got=days.shape)
    worst = np.where(np.isnan(days), 0, days)
    lately, before = _mean(money[:, -3:]), _mean(money[:, -6:-3])
    owed = np.asarray(due, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        cover = np.where(owed > 0, lately / owed, np.nan)
        trend = np.where(before > 0, lately / before, np.nan)
    return {
        "late_now": worst[:, -1],
        "worst_3m": worst[:, -3:].max(axis=1),
        "worst_12m": worst[:, -12:].max(axis=1),
        "times_late_12m": (worst[:, -12:] > 0).sum(axis=1).astype(np.float64),
        "months_since_late": _months_since(worst > 0),
        "months_on_book": np.asarray(on_book, np.float64),
        "share_repaid": np.asarray(repaid, np.float64),
        "inflow_to_due": cover,
        "inflow_trend": trend,
        "months_without_salary": _months_since(paid > 0),
    }


def _mean(values: Array) -> Array:
    return np.asarray(values.mean(axis=1) if values.shape[1] else np.zeros(len(values)))


def _months_since(happened: NDArray[np.bool_]) -> Array:
    """Return months since something happened, 0 for the latest month; NaN if it never did."""
    back = np.argmax(happened[:, ::-1], axis=1).astype(np.float64)
    return np.where(happened.any(axis=1), back, np.nan)


@dataclass(frozen=True)
class Signals:
    """From where on flows warn.

    Attributes:
        salary: months without one, of somebody who had one before.
        inflow: share of the three months before to which inflow has fallen.
        cover: instalments that a month's inflow pays.
    """

    salary: int = 2
    inflow: float = 0.6
    cover: float = 1.5


def warnings(found: Mapping[str, Array], signals: Signals) -> list[list[str]]:
    """Return the codes of what warns of each loan that is not late yet, (n,) lists.

    Codes: NO_SALARY, INFLOW_FALLS, THIN_COVER, LATE_AGAIN.
    """
    n, cover = len(found["late_now"]), found["inflow_to_due"]
    fired = {
        "NO_SALARY": found["months_without_salary"] >= signals.salary,
        "INFLOW_FALLS": found["inflow_trend"] <= signals.inflow,
        "THIN_COVER": cover <= signals.cover,
        "LATE_AGAIN": found["times_late_12m"] >= 2,
    }
    calm = found["late_now"] == 0
    return [[code for code, on in fired.items() if on[i] and calm[i]] for i in range(n)]


@dataclass(frozen=True)
class Moved:
    """How far one input had moved in one month, and whether to look."""

    name: str
    month: str
    psi: float
    n: int

    @property
    def light(self) -> str:
        """Green below 0.1, amber to 0.25, red above."""
        return "green" if self.psi < 0.1 else "amber" if self.psi <= 0.25 else "red"


def calendar(
    reference: Mapping[str, ArrayLike], months: Sequence[tuple[str, Mapping[str, ArrayLike]]],
    least: int = 50,
) -> list[Moved]:  # fmt: skip
    """Compare each month's distribution of each input, or score, with a reference.

    Args:
        reference: name → values of the time that the model learned from.
        months: (month, name → values), in order.
        least: values without which a month says nothing; it is left out.
    """
    found = []
    for month, columns in months:
        for name, before in reference.items():
            old, new = (_known(values) for values in (before, columns.get(name, ())))
            if len(new) >= least and len(old) >= least:
                found.append(Moved(name, month, psi(old, new), len(new)))
    return found


def _known(values: ArrayLike) -> Array:
    array = np.asarray(values, np.float64)
    return np.asarray(array[np.isfinite(array)])
