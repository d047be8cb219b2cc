# SPDX-License-Identifier: Apache-2.0
"""One call from a catalogue to a list: allowed, recalled, ranked, re-ranked, each step timed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from heptad.analysis.recommend.reranking import Reranking, explored, within_quotas
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from numpy.typing import NDArray

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.signals import People


class Alike:
    """Items of equal terms together, so that a million are judged as a few.

    Args:
        terms: of each item.

    Attributes:
        firsts: an item of each group.
        counts: how many are in it.
    """

    def __init__(self, terms: Iterable[Hashable]) -> None:
        groups: dict[Hashable, int] = {}
        of = np.array([groups.setdefault(t, len(groups)) for t in terms], dtype=np.intp)
        _, firsts, counts = np.unique(of, return_index=True, return_counts=True)
        self.firsts: list[int] = firsts.tolist()
        self.counts: list[int] = counts.tolist()
        # People alike are offered the same, and a million flags are sooner copied than looked up.
        self._flags = lru_cache(32)(lambda open_to: np.frombuffer(open_to, dtype=bool)[of])

    def flags(self, open_to: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return (items,) flags of one's own, given those of the groups."""
        return self._flags(open_to.tobytes()).copy()


class Recall(Protocol):
    """Finds candidates of one person among the items that are allowed."""

    def __call__(self, people: People, allowed: NDArray[Any], n: int) -> Codes:
        """Return (k,) item codes, best first, none of them twice."""
        ...


class Scorer(Protocol):
    """Ranks candidates."""

    def score(self, people: People, items: Codes) -> Array:
        """Score (m, k) candidates of m people; (m, k) float64, higher is better."""
        ...


@dataclass(frozen=True)
class Step:
    """What one step did: how many items went in and came out, and how long it took."""

    name: str
    given: int
    kept: int
    microseconds: int


@dataclass(frozen=True)
class Slate:
    """A list for one person.

    Attributes:
        items: (n,) item codes, best first.
        scores: (n,) of the ranker, or of recall where there was no time to rank.
        propensity: (n,) the probability with which each was shown where it stands.
        trace: what each step did.
        fallback: why something was left out: "" nothing, else late, or the error's name.
        passed: better candidates that a quota kept out.
    """

    items: Codes
    scores: Array
    propensity: Array
    trace: tuple[Step, ...]
    fallback: str = ""
    passed: int = 0


@dataclass(frozen=True)
class Pipeline:
    """Recall, ranker and re-ranking of one catalogue.

    Whatever fails or is late is left out, in the order ranker, recall: then the order of recall
    stands, then that of `safe`. What is not allowed is in no list on any of these ways.

    Args:
        recall: finds candidates.
        ranker: puts them in order; None leaves the order of recall.
        features: (items, d) for variety and quotas, such as categories.
        safe: (items,) item codes by popularity, best first.
        wide: candidates recalled.
        narrow: candidates that are re-ranked.
        rerank: what is weighed against the ranker's order.
        explore: probability of a draw for the last place.
        budget_s: seconds after which what is left of the way is cut short.
        clock: tells seconds.
    """

    recall: Recall
    ranker: Scorer | None
    features: Array
    safe: Codes
    wide: int = 200
    narrow: int = 20
    rerank: Reranking = field(default_factory=Reranking)
    explore: float = 0.0
    budget_s: float = 0.1
    clock: Callable[[], float] = field(default=time.perf_counter)

    def recommend(
        self, people: People, allowed: NDArray[Any], n: int = 10, *, seed: int = 0
    ) -> Slate:
        """Make the list of one person.

        Args:
            people: exactly one.
            allowed: (items,) whether each may be offered.
            n: length of the list.
            seed: of exploration.

        Raises:
            ContractError: if it is not one person, or `allowed` is of another catalogue.
        """
        if len(people) != 1 or len(allowed) != len(self.safe):
            raise ContractError(
                "A list is made for one person and one catalogue.",
                got=f"{len(people)} people, {len(allowed)} of {len(self.safe)} items",
            )
        way = _Way(self, np.asarray(allowed, dtype=bool))
        items = way.recalled(people)
        scores = way.ranked(people, items)
        order = np.argsort(-scores, kind="stable")[: self.narrow]
        return way.reranked(items[order], scores[order], n, seed)


class _Way:
    """One request on its way."""

    def __init__(self, plan: Pipeline, allowed: NDArray[Any]) -> None:
        self.plan, self.allowed = plan, allowed
        self.begun = self.lap = plan.clock()
        self.trace: list[Step] = []
        self.fallback = ""
        self.open_to = int(np.count_nonzero(allowed))
        self._step("allowed", len(allowed), self.open_to)

    def _step(self, name: str, given: int, kept: int) -> None:
        now = self.plan.clock()
        self.trace.append(Step(name, given, kept, round((now - self.lap) * 1e6)))
        self.lap = now

    def _late(self) -> bool:
        return self.plan.clock() - self.begun > self.plan.budget_s

    def recalled(self, people: People) -> Codes:
        """Find candidates; what is safe where that fails or finds nothing."""
        items: Codes = np.zeros(0, dtype=np.int64)
        try:
            items = np.asarray(
                self.plan.recall(people, self.allowed, self.plan.wide), dtype=np.int64
            )
        except Exception as error:  # noqa: BLE001 - a broken model must not leave a page empty
            self.fallback = type(error).__name__
        # Whatever recall answered, only what is allowed goes on, and once.
        items = items[(items >= 0) & (items < len(self.allowed))]
        items = items[self.allowed[items]]
        items = items[np.sort(np.unique(items, return_index=True)[1])]
        if not len(items):
            items = self.plan.safe[self.allowed[self.plan.safe]][: self.plan.wide]
        self._step("recall", self.open_to, len(items))
        return items

    def ranked(self, people: People, items: Codes) -> Array:
        """Score candidates; the order of recall where there is no ranker, no time, or an error."""
        plain = -np.arange(len(items), dtype=np.float64)
        found = plain
        if self.plan.ranker is not None and len(items):
            if self._late():
                self.fallback = self.fallback or "late"
            else:
                found = self._scored(people, items, plain)
        self._step("rank", len(items), min(len(items), self.plan.narrow))
        return found

    def _scored(self, people: People, items: Codes, plain: Array) -> Array:
        assert self.plan.ranker is not None  # noqa: S101 - for the type checker
        try:
            found = np.asarray(self.plan.ranker.score(people, items[None])[0], dtype=np.float64)
        except Exception as error:  # noqa: BLE001 - as above
            self.fallback = self.fallback or type(error).__name__
            return plain
        if found.shape == plain.shape and np.isfinite(found).all():
            return found
        self.fallback = self.fallback or "no scores"
        return plain

    def reranked(self, items: Codes, scores: Array, n: int, seed: int) -> Slate:
        """Vary the list, keep its quotas, and draw its last place now and then."""
        given, features = len(items), self.plan.features[items]
        how = self.plan.rerank.plain() if self._late() else self.plan.rerank
        values = None if how.values is None else how.values[items]
        order, passed = how.order(scores, features, values), 0
        if how.quotas:
            kept, passed = within_quotas(order, features, n, how.quotas)
            # What may still be drawn for the last place must leave every quota whole.
            free = order[~_bound(features[order], how.quotas)]
            order = np.concatenate([kept, free[~np.isin(free, kept)]])
            n = len(kept)
        random = np.random.default_rng(seed)
        places, propensity = explored(n, len(order), self.plan.explore, random)
        chosen = order[places]
        self._step("re-rank", given, len(chosen))
        return Slate(
            items[chosen], scores[chosen], propensity, tuple(self.trace), self.fallback, passed
        )


def _bound(features: Array, quotas: Mapping[int, int]) -> NDArray[Any]:
    """Say which rows belong to a category that has a quota."""
    named = [c for c in quotas if c < features.shape[1]]
    return np.asarray((features[:, named] > 0).any(axis=1))
