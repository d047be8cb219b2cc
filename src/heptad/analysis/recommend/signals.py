# SPDX-License-Identifier: Apache-2.0
"""f(U, I, C): what is known of a user, an item and the moment, as numbers for a ranker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from heptad.analysis.recommend.factors import Factors
from heptad.analysis.recommend.linear import MOST_ITEMS, Ease, Neighbours
from heptad.analysis.recommend.ordered import Ordered
from heptad.analysis.recommend.popularity import DAY
from heptad.analysis.recommend.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.interactions import Histories, Interactions

HALF_LIVES = (7.0, 30.0, 1e6)
RECENT = 20.0
"""Steps after which an event of a history counts 1/e as much in what is recent."""


@dataclass(frozen=True)
class Items:
    """What is known of items beside who chose them.

    Attributes:
        categories: (items, c) 0 or 1, such as genres or sectors.
        number: (items,) one number, such as the year; NaN where there is none.
    """

    categories: Array
    number: Array

    @classmethod
    def plain(cls, n: int) -> Items:
        """Return items of which nothing is known."""
        return cls(np.zeros((n, 0)), np.full(n, np.nan))


@dataclass(frozen=True)
class People:
    """Whom to rank for.

    Attributes:
        histories: (m, items) what each did.
        recent: (m, items) the same, decayed by steps.
        idle_days: (m,) days since the last event; NaN without one.
        context: name → (m,) code of the moment, -1 where it is not known.
    """

    histories: Histories
    recent: Histories
    idle_days: Array
    context: Mapping[str, Codes]

    def __len__(self) -> int:
        return int(self.histories.shape[0])


def people_of(
    data: Interactions, rows: Codes, context: Mapping[str, Codes], now: int | None = None
) -> People:
    """Return users of training data as people to rank for, as of an instant (the last event's)."""
    last = np.full(data.n_users, -(2**62), dtype=np.int64)
    np.maximum.at(last, data.users, data.times)
    at = int(data.times.max(initial=0)) if now is None else now
    idle = np.where(last[rows] > -(2**62), (at - last[rows]) / DAY, np.nan)
    return People(data.matrix()[rows], data.recent(RECENT)[rows], idle, context)


def moments(test: Interactions, rows: Codes, context: Mapping[str, Codes]) -> dict[str, Codes]:
    """Return the context in which each user is judged: that of the first event to come.

    Args:
        test: what came.
        rows: (m,) users who have an event in it.
        context: name → (n,) code of each event of `test`.
    """
    first = np.zeros(test.n_users, dtype=np.int64)
    first[test.users[::-1]] = np.arange(len(test))[::-1]
    return {name: codes[first[rows]] for name, codes in context.items()}


@dataclass
class Signals:
    """The recall models of a catalogue and all else that a ranker reads.

    Args:
        ease_reg: of EASE, which is left out above 20,000 items.
        neighbours: kept of each item.
        embedding_size: of the factors.
        kept: weights kept of each item in EASE; None keeps all.
        sequence: epochs of the sequence model; 0 leaves it out. It needs torch to be trained.
        seed: of the factors and the sequence model.
    """

    ease_reg: float = 1000.0
    neighbours: int = 200
    embedding_size: int = 32
    kept: int | None = None
    sequence: int = 0
    seed: int = 0
    models_: dict[str, Any] = field(init=False, repr=False)
    lately_: Array = field(init=False, repr=False)
    lifts_: dict[str, Array] = field(init=False, repr=False)
    items_: Items = field(init=False, repr=False)
    usual_: Array = field(init=False, repr=False)

    def fit(self, data: Interactions, items: Items, context: Mapping[str, Codes]) -> Signals:
        """Fit the recall models and count.

        Args:
            data: events.
            items: what is known of items.
            context: name → (n,) code of each event, in the order of `data`; -1 if not known.
        """
        self.items_ = items
        self.models_ = {
            "neighbours": Neighbours(self.neighbours).fit(data),
            "factors": Factors(self.embedding_size, epochs=6, seed=self.seed).fit(data),
            "rules": Rules().fit(data),
        }
        if data.n_items <= MOST_ITEMS:
            self.models_["ease"] = Ease(self.ease_reg, self.kept).fit(data)
        next_ = Ordered.fit(data, self.sequence, self.seed) if self.sequence else None
        if next_ is not None:
            self.models_["sequence"] = next_
        age = (data.times.max(initial=0) - data.times) / DAY
        self.lately_ = np.stack(
            [np.bincount(data.items, np.exp2(-age / h), data.n_items) for h in HALF_LIVES]
        )
        self.lifts_ = {name: lifts(data, codes) for name, codes in context.items()}
        share = items.categories[data.items].mean(axis=0) if len(data) else np.zeros(0)
        self.usual_ = np.asarray(share, dtype=np.float64) + 1e-3
        return self

    @property
    def names(self) -> list[str]:
        """The names of the columns that `columns` gives, in their order."""
        of = ["", " against the others", " place"]
        return [
            *(f"{name}{kind}" for name in [*sorted(self.models_), "recent"] for kind in of),
            *(f"popular {h:g} d" for h in HALF_LIVES), "trend", "popularity place",
            "number", "number against the usual", "usual number", "categories",
            "usual popularity", "popularity against the usual", "events", "idle days",
            *(f"in this {name}" for name in sorted(self.lifts_)),
        ]  # fmt: skip

    def columns(self, people: People, items: Codes) -> Array:
        """Gather what a ranker reads of (m, k) candidates.

        Args:
            people: m of them.
            items: (m, k) item codes; below 0 is none.

        Returns:
            (m, k, len(names)) float32; rows of a code below 0 have no meaning.
        """
        there = items >= 0
        found: list[Any] = []
        for name in sorted(self.models_):
            model = self.models_[name]
            found += _ranked(model.some(read_by(model, people), items), there)
        near = self.models_["ease" if "ease" in self.models_ else "neighbours"]
        found += _ranked(near.some(people.recent, items), there)
        found += self._popular(items, there)
        found += self._alike(people, items)
        found += [self._lift(name, people, items) for name in sorted(self.lifts_)]
        return np.stack(found, axis=2).astype(np.float32)

    def _popular(self, items: Codes, there: Any) -> list[Array]:
        scaled = np.log1p(self.lately_) / np.log1p(self.lately_.max(axis=1, keepdims=True))
        found = [row[items] for row in scaled]
        week, _, ever = self.lately_
        trend = np.log((week + 1e-3) / (ever + 1) * (ever.sum() + 1) / (week.sum() + 1e-3))
        return [*found, trend[items], _places(np.where(there, ever[items], -np.inf))]

    def _alike(self, people: People, items: Codes) -> list[Array]:
        """Compare items with what the person usually takes."""
        events = np.asarray(people.histories.sum(axis=1)).ravel()
        n = np.maximum(events, 1)
        number, wide = np.nan_to_num(self.items_.number), np.ones_like(items, dtype=np.float64)
        has = np.isfinite(self.items_.number).astype(np.float64)
        mine = (people.histories @ number) / np.maximum(people.histories @ has, 1)
        popular = np.log(self.lately_[2] + 1)
        used = (people.histories @ popular) / n
        tastes = (people.histories @ self.items_.categories) / n[:, None] / self.usual_
        each = self.items_.categories.sum(axis=1)
        liked = np.einsum("mc,mkc->mk", tastes, self.items_.categories[items])
        return [
            number[items], number[items] - mine[:, None], mine[:, None] * wide,
            liked / np.maximum(each[items], 1), used[:, None] * wide,
            popular[items] - used[:, None], np.log1p(events)[:, None] * wide,
            people.idle_days[:, None] * wide,
        ]  # fmt: skip

    def _lift(self, name: str, people: People, items: Codes) -> Array:
        table = self.lifts_[name]
        codes = people.context.get(name, np.full(len(people), -1))
        known = (codes >= 0) & (codes < len(table))
        found = table[np.where(known, codes, 0)[:, None], items] if len(table) else 0.0
        return np.where(known[:, None], found, 0.0) * np.ones(items.shape)


def read_by(model: Any, people: People) -> Histories:
    """Return the histories that a recall model reads: in their order, or as a set."""
    return people.recent if isinstance(model, Ordered) else people.histories


def lifts(data: Interactions, codes: Codes, strength: float = 50.0) -> Array:
    """Return (values, items) log of how much more often an item is chosen in a context than ever.

    Args:
        data: the events.
        codes: (n,) code of each event's context from 0; -1 if not known.
        strength: of the usual share, in events of the item.
    """
    some = codes >= 0
    n = int(codes.max(initial=-1)) + 1
    cell = codes[some] * data.n_items + data.items[some]
    both = np.bincount(cell, minlength=n * data.n_items).reshape(n, data.n_items)
    of_context = both.sum(axis=1, keepdims=True) / max(int(some.sum()), 1)
    usual = (both.sum(axis=0, keepdims=True) + strength) * of_context
    # A context that was never met says nothing of any item.
    ratio = np.divide(both + strength * of_context, usual, out=np.ones(both.shape), where=usual > 0)
    return np.asarray(np.log(ratio), dtype=np.float64)


def _ranked(scores: Array, there: Any) -> list[Array]:
    """Return scores as they are, against the others of the row, and as places."""
    known = np.where(there, scores, np.nan)
    n = np.maximum(there.sum(axis=1, keepdims=True), 1)
    mean = np.nansum(known, axis=1, keepdims=True) / n
    spread = np.sqrt(np.nansum((known - mean) ** 2, axis=1, keepdims=True) / n)
    against = (scores - mean) / np.maximum(spread, 1e-9)
    return [scores, against, _places(np.where(there, scores, -np.inf))]


def _places(scores: Array) -> Array:
    """Return log(1 + place) in each row, the best at place 0."""
    order = np.argsort(-scores, axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(
        place, order, np.broadcast_to(np.arange(scores.shape[1]), scores.shape), axis=1
    )
    return np.log1p(place)


def no_context(n: int) -> dict[str, Codes]:
    """Return the context of n moments of which nothing is known."""
    return {"hour": np.full(n, -1, dtype=np.int64)}


def empty(n_items: int, m: int = 1) -> People:
    """Return m people of whom nothing is known."""
    nothing = sparse.csr_matrix((m, n_items), dtype=np.float32)
    return People(nothing, nothing, np.full(m, np.nan), no_context(m))
