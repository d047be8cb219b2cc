# SPDX-License-Identifier: Apache-2.0
"""Recall and rank: candidates of several models, put in order by trees trained on the past."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.recommend.judging import ranked
from heptad.analysis.recommend.popularity import Popularity
from heptad.analysis.recommend.signals import Items, People, Signals, moments, people_of, read_by
from heptad.analysis.recommend.splits import at_instant
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.interactions import Interactions
    from heptad.analysis.recommend.splits import Split

WINDOWS = (0.5, 0.65, 0.8, 0.9)
"""Shares of the events at which the past is cut to learn from what came after."""
FUSED = 60.0
"""Places at which a model's vote counts half as much as its first."""
TREES: dict[str, Any] = {
    "objective": "lambdarank",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "lambdarank_truncation_level": 15,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
}


@dataclass(frozen=True)
class Candidates:
    """What recall found.

    Attributes:
        items: (m, k) item codes, best first by the votes of all models; -1 where there were fewer.
        votes: (m, k) the sum of votes.
        source: (m, k) the model that put the item highest, as a place in `sources`.
        sources: names of the models.
    """

    items: Codes
    votes: Array
    source: Codes
    sources: tuple[str, ...]


@dataclass
class Ranker:
    """Recall by several models, and boosted trees that order what they found.

    The trees learn from windows: at each of several instants all that a ranker reads is computed
    from what was before, and what each user chose afterwards is what should have come first.

    Args:
        n: candidates ranked.
        trees: how many; 0 leaves the order of recall.
        kept: weights kept of each item in EASE; None keeps all.
        fewest: events that a user must have before a window to be learned from.
        windows: shares of the events at which the past is cut.
        sequence: epochs of the sequence model; 0 leaves it out.
        seed: of everything drawn.

    Source: Burges, From RankNet to LambdaRank to LambdaMART: an overview, 2010 (the loss); Cormack,
    Clarke, Buettcher, Reciprocal rank fusion, 2009 (the votes).
    """

    n: int = 200
    trees: int = 80
    kept: int | None = None
    fewest: int = 5
    windows: tuple[float, ...] = WINDOWS
    sequence: int = 0
    seed: int = 0
    signals_: Signals = field(init=False, repr=False)
    booster_: Any = field(init=False, repr=False, default=None)
    learned_: int = field(init=False, default=0)

    def fit(
        self,
        data: Interactions,
        items: Items | None = None,
        context: Mapping[str, Codes] | None = None,
    ) -> Ranker:
        """Learn from windows of the past, then refit recall on all of it.

        Args:
            data: events in order of time.
            items: what is known of items.
            context: name → (n,) code of each event.

        Raises:
            ContractError: if there are no events or no items.
        """
        if not len(data):
            raise ContractError("There are no events to learn from.")
        known = Items.plain(data.n_items) if items is None else items
        given = dict(context or {})
        if self.trees:
            self.booster_ = self._learned(data, known, given)
        self.signals_ = self._signals().fit(data, known, given)
        return self

    def _signals(self) -> Signals:
        return Signals(kept=self.kept, sequence=self.sequence, seed=self.seed)

    def _learned(self, data: Interactions, items: Items, context: Mapping[str, Codes]) -> Any:
        """Train the trees on all windows that hold somebody; None if none does."""
        import lightgbm

        parts = []
        for edge in sorted({int(data.times[int(len(data) * share)]) for share in self.windows}):
            split = at_instant(data, edge, fewest=self.fewest)
            if len(split.rows) and len(split.train):
                parts.append(self._window(split, items, context))
        parts = [part for part in parts if len(part[1])]
        if not parts:
            return None
        columns, wanted, groups = (np.concatenate([p[i] for p in parts]) for i in range(3))
        self.learned_ = len(groups)
        settings = TREES | {"seed": self.seed}
        return lightgbm.train(
            settings, lightgbm.Dataset(columns, wanted, group=groups), num_boost_round=self.trees
        )

    def _window(
        self, split: Split, items: Items, context: Mapping[str, Codes]
    ) -> tuple[Any, Any, Any]:
        """Return columns, what was chosen, and how many candidates each user has."""
        seen = len(split.train)
        before = {name: codes[:seen] for name, codes in context.items()}
        signals = self._signals().fit(split.train, items, before)
        after = {n: codes[seen : seen + len(split.test)] for n, codes in context.items()}
        people = people_of(split.train, split.rows, moments(split.test, split.rows, after))
        found = candidates(signals, people, self.n).items
        chosen = np.take_along_axis(
            split.test.matrix()[split.rows].toarray(), np.maximum(found, 0), axis=1
        )
        useful = ((chosen > 0) & (found >= 0)).any(axis=1)
        found, chosen = found[useful], chosen[useful]
        rows = np.flatnonzero(useful)
        columns = signals.columns(_some(people, rows), found)
        there = found >= 0
        return columns[there], (chosen[there] > 0).astype(np.int8), there.sum(axis=1)

    def recall(self, people: People, allowed: NDArray[Any] | None = None) -> Candidates:
        """Return the candidates of people among the items that are allowed."""
        return candidates(self.signals_, people, self.n, allowed)

    def score(self, people: People, items: Codes) -> Array:
        """Score (m, k) candidates; (m, k) float64, -inf for a code below 0.

        Whoever has fewer events than those that the trees learned from is given what is popular.
        """
        if self.booster_ is None or not items.size:
            # Without trees the order of recall stays.
            order = -np.arange(items.shape[1], dtype=np.float64)
            return np.where(items >= 0, order, -np.inf)
        there = items >= 0
        found = np.full(items.shape, -np.inf)
        columns = self.signals_.columns(people, items)[there]
        if len(columns):
            found[there] = self.booster_.predict(columns, num_threads=1)
        short = np.asarray(people.histories.sum(axis=1)).ravel() < self.fewest
        popular = self.signals_.lately_[2][np.maximum(items[short], 0)]
        found[short] = np.where(items[short] >= 0, popular, -np.inf)
        return found

    def lists(self, people: People, n: int = 10) -> Codes:
        """Return the (m, n) best items, best first; -1 where there were fewer."""
        found = self.recall(people).items
        order = ranked(self.score(people, found), n)
        best = np.take_along_axis(found, np.maximum(order, 0), axis=1)
        return np.where(order >= 0, best, -1)

    def scores(self, people: People) -> Array:
        """Score all items, (m, items): what was no candidate lies far below, in the order of popularity."""
        found = self.recall(people).items
        given = self.score(people, found)
        popular = self.signals_.lately_[2]
        answer = np.tile(popular / (popular.max(initial=0) + 1) - 1e6, (len(people), 1))
        rows, places = np.nonzero(found >= 0)
        answer[rows, found[rows, places]] = given[rows, places]
        return answer


def candidates(
    signals: Signals, people: People, n: int, allowed: NDArray[Any] | None = None
) -> Candidates:
    """Let the models vote: each gives its best items 1 / (60 + place); nothing seen is proposed.

    Args:
        signals: the fitted models.
        people: m of them.
        n: candidates of each.
        allowed: (items,) whether an item may be proposed; all may if not given.
    """
    shape = people.histories.shape
    sources = ("popularity", *sorted(signals.models_))
    votes = np.zeros(shape)
    best = np.full(shape, -1, dtype=np.int64)
    most = np.zeros(shape)
    seen = people.histories.nonzero()
    popular = Popularity()
    popular.counts_, popular.segments_ = signals.lately_[1], np.zeros((0, shape[1]))
    for place, name in enumerate(sources):
        model = popular if name == "popularity" else signals.models_[name]
        given = model.scores(read_by(model, people))
        given[seen] = -np.inf
        if allowed is not None:
            given[:, ~allowed] = -np.inf
        if name != "popularity":
            given[given == 0] = -np.inf
        top = ranked(given, n)
        vote = np.broadcast_to(1 / (FUSED + np.arange(n)), top.shape)
        rows, at = np.nonzero(top >= 0)
        cells = (rows, top[rows, at])
        votes[cells] += vote[rows, at]
        higher = vote[rows, at] > most[cells]
        cells = (cells[0][higher], cells[1][higher])
        most[cells], best[cells] = vote[rows, at][higher], place
    votes[votes == 0] = -np.inf
    items = ranked(votes, n)
    safe = np.maximum(items, 0)
    return Candidates(
        items, np.take_along_axis(votes, safe, axis=1), np.take_along_axis(best, safe, axis=1),
        sources,
    )  # fmt: skip


def _some(people: People, rows: Codes) -> People:
    """Return those people."""
    return People(
        people.histories[rows], people.recent[rows], people.idle_days[rows],
        {name: codes[rows] for name, codes in people.context.items()},
    )  # fmt: skip
