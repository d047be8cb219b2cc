# SPDX-License-Identifier: Apache-2.0
"""The last purchase of everybody in Amazon Beauty, among all items: what follows, and self-attention."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fits import Fits, found_data, torch_threads
from heptad.analysis.recommend.interactions import Interactions
from heptad.analysis.recommend.judging import judge
from heptad.analysis.recommend.linear import Following, Neighbours
from heptad.analysis.recommend.popularity import Popularity
from heptad.analysis.recommend.sequence import padded
from heptad.analysis.recommend.splits import last_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heptad.analysis.arrays import Array
    from heptad.analysis.recommend.splits import Split

    Scores = Callable[[Any], Array]

FILE = "amazon-sequences/Beauty.txt"
FOLLOWING = [
    {"past": p, "future": f, "back": b, "damp_after": d}
    for p, f in ((1.0, 1.0), (2.0, 1.0))
    for b in (0.0, 0.5) for d in (0.1, 0.2, 0.3)
]  # fmt: skip
BEST = {"past": 2.0, "future": 1.0, "back": 0.5, "damp_after": 0.2}
"""What is mixed with self-attention while that is tuned: the defaults."""
NETS = {
    f"d{size}-p{100 * dropout:.0f}-n{negatives or 'all'}-e{epochs}": {
        "embedding_size": size, "dropout": dropout, "negatives": negatives, "epochs": epochs,
    }
    for size, dropout, negatives, epochs in ((64, 0.2, None, 20), (64, 0.5, None, 20))
}  # fmt: skip
"""Each takes a quarter of an hour of CPU, and is trained twice."""
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
"""Shares of what follows in the mixture, tuned."""


@cache
def _data(quick: bool) -> tuple[Split, Split]:
    """What is judged, and what is tuned on: each user's last event, and the one before."""
    path = found_data(FILE)
    assert path is not None
    lines = [list(map(int, x.split())) for x in path.read_text().splitlines()]
    if quick:
        lines = lines[:3000]
    users = np.repeat([x[0] - 1 for x in lines], [len(x) - 1 for x in lines])
    _, items = np.unique(np.concatenate([x[1:] for x in lines]), return_inverse=True)
    test = last_out(Interactions.of(users, items))
    tuning = last_out(test.train)
    some = np.random.default_rng(0).permutation(tuning.rows)[:3_000]
    return test, replace(tuning, rows=np.sort(some))


def _following(split: Split, settings: dict[str, float]) -> Scores:
    model = Following(**settings).fit(split.train)
    before = split.train.recent(settings["past"])
    return lambda rows: model.scores(before[rows])


def _plain(split: Split, model: Any) -> Scores:
    made, before = model.fit(split.train), split.train.matrix()
    return lambda rows: made.scores(before[rows])


def _told(split: Split, scores: Scores) -> dict[str, Any]:
    found, again = judge(split, scores), judge(split, scores, unseen=False)
    return {
        "ndcg": np.round(found.each["ndcg"], 6).tolist(), "hit": found.mean("hit"),
        "seen items left in": again.mean("ndcg"), "hit, seen left in": again.mean("hit"),
        "coverage": found.overall["coverage"],
    }  # fmt: skip


def _baseline(name: str, quick: bool, _keep: Path) -> dict[str, Any]:
    test, tuning = _data(quick)
    if name != "following":
        model = Popularity() if name == "popularity" else Neighbours()
        return _told(test, _plain(test, model))
    tried = [judge(tuning, _following(tuning, s)).mean("ndcg") for s in FOLLOWING]
    best = FOLLOWING[int(np.argmax(tried))]
    return {"settings": best, "tuned": max(tried)} | _told(test, _following(test, best))


def _net(settings: dict[str, Any], seed: int, quick: bool, keep: Path) -> dict[str, Any]:
    """Train on what came before the tuned event, choose the mixture there; train again for the test."""
    test, tuning = _data(quick)
    if quick:
        settings = settings | {"epochs": 2}
    fitted, _ = _trained(tuning, settings, seed, keep.with_suffix(".tuning.npz"))
    beside = _following(tuning, BEST)
    tried = {w: judge(tuning, _mixed(fitted, beside, w)).mean("ndcg") for w in SHARES}
    share = max(tried, key=lambda w: tried[w])
    fitted, model = _trained(test, settings, seed, keep)
    beside = _following(test, BEST)
    return {
        "settings": settings, "tuned": tried, "share": share, "device": model.device,
        "parameters": sum(p.numel() for p in model.net_.parameters()),
        "losses": [(e.number, round(e.seconds, 2), round(e.loss, 4)) for e in model.told_],
        "alone": _told(test, _mixed(fitted, beside, 0.0)),
        "mixed": _told(test, _mixed(fitted, beside, share)),
    }  # fmt: skip


def _trained(split: Split, settings: dict[str, Any], seed: int, keep: Path) -> tuple[Scores, Any]:
    """Return the chances of all items for rows of a split, and the model."""
    from heptad.analysis.recommend.neural.sequence import SequenceModel

    torch_threads()
    device = os.environ.get("HEPTAD_TORCH_DEVICE") or "cpu"
    model = SequenceModel(**settings, seed=seed, device=device)
    model.fit(split.train, keep=keep, progress=_tell)
    keep.unlink(missing_ok=True)
    vectors = model.fitted.items_
    before = padded(split.train.sequences(), model.length)

    def chances(rows: Any) -> Array:
        odds = (model.users(before[rows]) @ vectors.T).astype(np.float64)
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    return chances, model


def _tell(epoch: Any) -> None:
    if epoch.number % 10 == 0:
        print(f"    {epoch.number:4d} {epoch.seconds:7.1f} s  {epoch.loss:.4f}", file=sys.stderr, flush=True)  # fmt: skip


def _mixed(chances: Scores, beside: Scores, share: float) -> Scores:
    """Mix two distributions over items."""
    if not share:
        return chances

    def mixed(rows: Any) -> Array:
        votes = beside(rows)
        votes /= np.maximum(votes.sum(axis=1, keepdims=True), 1e-12)
        return (1 - share) * chances(rows) + share * votes

    return mixed


def next_fits(*, quick: bool, seed: int) -> Fits:
    """Baselines, and a net of each setting; with --quick one net."""
    work = {
        name: partial(_baseline, name, quick) for name in ("popularity", "neighbours", "following")
    }
    nets = dict(list(NETS.items())[:1]) if quick else NETS
    work |= {f"{name}-{seed}": partial(_net, s, seed, quick) for name, s in nets.items()}
    return Fits("next_item", work, "benchmarks.recommend_next", FILE, quick=quick)
