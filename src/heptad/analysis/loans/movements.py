# SPDX-License-Identifier: Apache-2.0
"""Vintages and roll rates of a whole book: counted once over its months, merged in any order."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.loans.delinquency import BUCKETS
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heptad.analysis.arrays import Array, Codes

EVER = ("30+", "60+", "90+", "lost")
"""What a vintage counts: loans that have ever been more than so many days late, or written off."""
SIZE = len(BUCKETS)


@dataclass(frozen=True)
class Movements:
    """How the loans of a book moved, as whole numbers: parts of a book add up, in any order.

    Attributes:
        loans: (cohorts,) loans by the month in which they began; `lent` is what was lent, in
            minor units.
        first: (cohorts, months on book, EVER) loans that came to be so for the first time;
            `first_lent` is what had been lent to them.
        moves: (months, SIZE, SIZE) loans that stood in one bucket at the end of a month and in
            another at the end of the next; `moved` is what they owed before.
        last: the latest month seen, counted as the cohorts are; -1 without rows.
    """

    loans: Codes
    lent: Codes
    first: Codes
    first_lent: Codes
    moves: Codes
    moved: Codes
    last: int

    def __add__(self, other: Movements) -> Movements:
        """Add the movements of other loans of the same book."""
        if self.first.shape != other.first.shape:
            raise ContractError("Only parts of one book add up.", got=str(other.first.shape))
        return Movements(
            self.loans + other.loans,
            self.lent + other.lent,
            self.first + other.first,
            self.first_lent + other.first_lent,
            self.moves + other.moves,
            self.moved + other.moved,
            max(self.last, other.last),
        )

    def vintages(self, *, money: bool = False) -> Array:
        """Return the share of each cohort that has ever been so late, by months on book.

        Args:
            money: weigh each loan by what was lent.

        Returns:
            (cohorts, months on book, EVER) shares; NaN where the book does not reach so far yet,
            or the cohort is empty.
        """
        base = (self.lent if money else self.loans).astype(np.float64)
        counts = self.first_lent if money else self.first
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.cumsum(counts, axis=1) / base[:, None, None]
        cohort, month = np.indices(found.shape[:2])
        found[(cohort + month > self.last) | (base[:, None] == 0)] = np.nan
        return np.asarray(found)

    def matrix(self, first: int = 0, after: int | None = None, *, money: bool = False) -> Array:
        """Return the share of what stood in one bucket that stood in another a month later.

        Args:
            first: first month of the moves, counted as the cohorts are.
            after: first month no longer counted; all by default.
            money: weigh each loan by what it owed.

        Returns:
            (SIZE, SIZE) rows that add up to 1, or NaN where nothing stood. What is repaid or
            written off stays so.
        """
        counts = (self.moved if money else self.moves)[first:after].sum(axis=0)
        found = counts.astype(np.float64)
        with np.errstate(invalid="ignore"):
            found /= found.sum(axis=1, keepdims=True)
        for end in range(SIZE - 2, SIZE):
            found[end] = np.eye(SIZE)[end]
        return np.asarray(found)

    def roll_rates(self, *, money: bool = True) -> Array:
        """Return the share that rolled into the next worse bucket, month by month.

        Returns:
            (months, SIZE - 3) from current to 1-30, ..., from 61-90 to 91+; NaN without loans.
        """
        counts = (self.moved if money else self.moves).astype(np.float64)
        stood = counts.sum(axis=2)
        rolled = np.stack([counts[:, b, b + 1] for b in range(SIZE - 3)], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(rolled / stood[:, : SIZE - 3])


@dataclass(frozen=True)
class Months:
    """Loans at the ends of months, one row each; all (n,).

    Attributes:
        loan: number of the loan, from 0; rows of one loan lie together, in order of months.
        month: at whose end it stood so, counted from the first month of the book.
        cohort: month in which the loan began, counted likewise.
        bucket: index into `BUCKETS`.
        balance: principal owed, in minor units.
        lent: what was lent, in minor units.
    """

    loan: Codes
    month: NDArray[np.int32]
    cohort: NDArray[np.int32]
    bucket: NDArray[np.uint8]
    balance: Codes
    lent: Codes

    def __post_init__(self) -> None:
        kinds = (np.int64, np.int32, np.int32, np.uint8, np.int64, np.int64)
        for f, kind in zip(fields(self), kinds, strict=True):
            object.__setattr__(self, f.name, np.ascontiguousarray(getattr(self, f.name), kind))
        lengths = [len(column) for column in self.columns()]
        if len(set(lengths)) != 1:
            raise ContractError("Columns have one length.", got=str(lengths))

    def columns(self) -> list[NDArray[Any]]:
        """Return the columns in order."""
        return [getattr(self, f.name) for f in fields(self)]

    def take(self, rows: NDArray[Any] | slice) -> Months:
        """Return some of the rows."""
        return Months(*(column[rows] for column in self.columns()))


def movements(rows: Months, months: int) -> Movements:
    """Count what the loans of a book did.

    A loan that is missing in a month is not moved from or to it.

    Args:
        rows: loans at the ends of months.
        months: how many months the book covers.

    Raises:
        ContractError: if months of a loan fall, or a value is out of its range.
    """
    counter = Counter(months)
    counter.add(rows)
    return counter.movements()


class Counter:
    """Counts movements batch by batch; a loan may lie across the border of two batches.

    Args:
        months: how many months the book covers.
    """

    def __init__(self, months: int) -> None:
        self._loans = np.zeros((2, months), np.int64)
        self._first = np.zeros((2, months, months, len(EVER)), np.int64)
        self._moves = np.zeros((2, months, SIZE, SIZE), np.int64)
        # The loan that goes on: number, month, bucket, balance, what it has ever been, last month.
        self._open = np.array([-1, -1, 0, 0, 0, -1], np.int64)

    def add(self, rows: Months) -> None:
        """Count further rows."""
        from heptad.analysis.loans.compiled import count_movements

        bad = count_movements(*rows.columns(), self._loans, self._first, self._moves, self._open)
        if bad >= 0:
            raise ContractError(
                "Rows of a loan lie together by month, with months and buckets of the book.",
                got=f"row {bad}",
            )

    def movements(self) -> Movements:
        """Return what was counted so far."""
        (loans, lent), (first, first_lent) = self._loans.copy(), self._first.copy()
        moves, moved = self._moves.copy()
        return Movements(loans, lent, first, first_lent, moves, moved, int(self._open[5]))
