# SPDX-License-Identifier: Apache-2.0
"""What people did with items, as arrays: who, what, when and how much it counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import sparse

from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from heptad.analysis.arrays import Array, Codes

Histories: TypeAlias = Any
"""(m, items) scipy CSR matrix: a row holds what somebody did, weighted; no row knows who it is."""


@dataclass(frozen=True)
class Interactions:
    """Events of users with items.

    Attributes:
        users: (n,) codes, 0 ≤ code < n_users.
        items: (n,) codes, 0 ≤ code < n_items.
        times: (n,) int64 microseconds; equal instants keep the order of the rows.
        weights: (n,) how much each counts, above 0.
        n_users: how many users there are, with events or without.
        n_items: how many items there are, likewise.
    """

    users: Codes
    items: Codes
    times: Codes
    weights: Array
    n_users: int
    n_items: int

    @classmethod
    def of(
        cls,
        users: ArrayLike,
        items: ArrayLike,
        times: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        *,
        n_users: int | None = None,
        n_items: int | None = None,
    ) -> Interactions:
        """Check columns and put the events in order of time.

        Args:
            users: (n,) codes.
            items: (n,) codes.
            times: (n,) microseconds; the order of the rows if not given.
            weights: (n,) above 0; 1 if not given.
            n_users: how many users; one more than the greatest code if not given.
            n_items: how many items, likewise.

        Raises:
            ContractError: if lengths differ, a code lies outside, or a weight is not positive.
        """
        who, what = (np.asarray(c).astype(np.int64) for c in (users, items))
        when = np.arange(len(who)) if times is None else np.asarray(times).astype(np.int64)
        weight = np.ones(len(who)) if weights is None else np.asarray(weights, dtype=np.float64)
        if not len(who) == len(what) == len(when) == len(weight):
            raise ContractError(
                "All columns of interactions must be as long as each other.",
                got=[len(who), len(what), len(when), len(weight)],
            )
        if not (np.isfinite(weight).all() and (weight > 0).all()):
            raise ContractError("Weights of interactions must be above 0.", got=float(weight.min()))
        sizes = []
        for codes, n, name in ((who, n_users, "user"), (what, n_items, "item")):
            most = int(codes.max(initial=-1)) + 1
            if (len(codes) and int(codes.min()) < 0) or (n is not None and most > n):
                raise ContractError(f"A {name} lies outside of the codes.", got=most - 1)
            sizes.append(most if n is None else n)
        order = np.argsort(when, kind="stable")
        return cls(who[order], what[order], when[order], weight[order], *sizes)

    def __len__(self) -> int:
        return len(self.users)

    def part(self, chosen: Any) -> Interactions:
        """Return the events chosen by a boolean or ascending index array; nobody is renumbered."""
        return Interactions(
            self.users[chosen], self.items[chosen], self.times[chosen], self.weights[chosen],
            self.n_users, self.n_items,
        )  # fmt: skip

    def before(self, instant: int) -> Interactions:
        """Return what happened strictly before an instant."""
        return self.part(self.times < instant)

    def since(self, instant: int) -> Interactions:
        """Return what happened at an instant or after."""
        return self.part(self.times >= instant)

    def matrix(self) -> Histories:
        """Return (users, items): 1 where there was an event, once or many times."""
        found = sparse.csr_matrix(
            (np.ones(len(self), np.float32), (self.users, self.items)),
            shape=(self.n_users, self.n_items),
        )
        found.sum_duplicates()
        found.data[:] = 1.0
        return found

    def recent(self, decay: float) -> Histories:
        """Return (users, items): exp(-steps / decay), where steps counts back from the last event.

        Args:
            decay: steps after which an event counts 1/e as much.

        Raises:
            ContractError: if it is not above 0.
        """
        if not decay > 0:
            raise ContractError("A decay in steps must be above 0.", got=decay)
        order, back = self._steps
        values = np.exp(-back / decay).astype(np.float32)
        shape = (self.n_users, self.n_items)
        # Of an item met several times the latest counts.
        found = sparse.coo_matrix((values, (self.users[order], self.items[order])), shape=shape)
        return _largest(found)

    @cached_property
    def _steps(self) -> tuple[Codes, Codes]:
        """The events by user and time, and how many of the user's come after each."""
        order = np.argsort(self.users, kind="stable")
        counts = np.bincount(self.users, minlength=self.n_users)
        ends = np.repeat(np.cumsum(counts), counts)
        return order, ends - 1 - np.arange(len(self))

    def sequences(self) -> list[Codes]:
        """Return the items of each user in order of time."""
        order, _ = self._steps
        counts = np.bincount(self.users, minlength=self.n_users)
        return np.split(self.items[order], np.cumsum(counts)[:-1]) if self.n_users else []

    def counts(self) -> Codes:
        """Return (items,) how many events each item has."""
        return np.bincount(self.items, minlength=self.n_items)


def _largest(found: Any) -> Histories:
    """Return a COO matrix as CSR where of doubled cells the largest value stands."""
    cell = found.row.astype(np.int64) * found.shape[1] + found.col
    order = np.lexsort((-found.data, cell))
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.diff(cell[order]) > 0
    kept = order[first]
    return sparse.csr_matrix(
        (found.data[kept], (found.row[kept], found.col[kept])), shape=found.shape
    )


def histories(items: Sequence[Sequence[int]], n_items: int) -> Histories:
    """Return (m, n_items) of ones from lists of item codes, as they come from a request.

    Raises:
        ContractError: if a code lies outside.
    """
    codes = np.array([i for one in items for i in one], dtype=np.int64)
    if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < n_items:
        raise ContractError("An item lies outside of the codes.", got=int(codes.max()))
    rows = np.repeat(np.arange(len(items)), [len(one) for one in items])
    found = sparse.csr_matrix(
        (np.ones(len(codes), np.float32), (rows, codes)), shape=(len(items), n_items)
    )
    found.sum_duplicates()
    found.data[:] = 1.0
    return found
