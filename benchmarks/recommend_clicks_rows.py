# SPDX-License-Identifier: Apache-2.0
"""Who likes which film next, as rows: AUC and gAUC with intervals, and how far from FuxiCTR."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import Row
from benchmarks.recommend_clicks import MODELS, PEERS, clicks_fits, data_of
from heptad.analysis.evaluation import auc
from heptad.analysis.intervals import Interval

if TYPE_CHECKING:
    from heptad.analysis.arrays import Array, Codes


def clicks_row(*, quick: bool, seed: int) -> list[Row]:
    """AUC and gAUC of every ranker on the last tenth by time, beside FuxiCTR on the same rows."""
    fits = clicks_fits(quick=quick, seed=seed)
    answers = {name.rpartition("-")[0]: fits.get(name) for name in fits.work}
    return _click_rows(answers, data_of(quick)[1][2], quick, seed)


def _click_rows(answers: dict[str, Any], test: dict[str, Any], quick: bool, seed: int) -> list[Row]:
    rows = []
    words = {n: w for n, (w, _) in MODELS.items()} | PEERS
    drawn = {n: _resampled(a["scores"], test, seed) for n, a in answers.items()}
    rivals = {"wide_deep": "fuxi_wide_deep", "din": "fuxi_din", "cross": "fuxi_din"}
    for name, answer in answers.items():
        score = np.asarray(answer["scores"])
        detail = {k: v for k, v in answer.items() if k != "scores"}
        for place, (metric, f) in enumerate({"auc": auc, "gauc": gauc_of}.items()):
            value = (
                f(test["y"], score) if metric == "auc" else gauc_of(test["user"], test["y"], score)
            )
            low, high = np.nanquantile(drawn[name][place], (0.025, 0.975))
            more = {"interval": asdict(Interval(value, float(low), float(high)))}
            rows.append(
                Row(f"{metric}_{name}", words[name], value, metric.upper(), detail=detail | more)
            )
            if name in rivals:
                gap = drawn[name][place] - drawn[rivals[name]][place]
                top = float(np.nanquantile(gap, 0.975))
                ends = [float(np.nanquantile(gap, q)) for q in (0.025, 0.5, 0.975)]
                rows.append(
                    Row(
                        f"{metric}_{name}_gap", f"upper end of ours less {PEERS[rivals[name]]}", top,
                        metric.upper(), None if quick else 0.0, least=True, detail={"interval": ends},
                    )
                )  # fmt: skip
    return rows


def gauc_of(user: Codes, y: Codes, score: Array) -> float:
    """The mean of the users' areas, weighted by their rows; users of one outcome are left out."""
    each, weight = _areas(user, y, score)
    return float(each @ weight / weight.sum())


def _areas(user: Codes, y: Codes, score: Array) -> tuple[Array, Array]:
    areas, weights = [], []
    for u in np.unique(user):
        mine = user == u
        if 0 < y[mine].sum() < mine.sum():
            areas.append(auc(y[mine], score[mine]))
            weights.append(float(mine.sum()))
    return np.array(areas), np.array(weights)


def _resampled(
    scores: list[float], test: dict[str, Any], seed: int, times: int = 300
) -> tuple[Array, Array]:
    """AUC and gAUC with users drawn anew; the same users for every model."""
    score, y = np.asarray(scores), test["y"]
    users, who = np.unique(test["user"], return_inverse=True)
    rows = [np.flatnonzero(who == u) for u in range(len(users))]
    own = [(auc(y[r], score[r]), len(r)) if 0 < y[r].sum() < len(r) else (0.0, 0) for r in rows]
    areas, weight = np.array(own).T
    rng = np.random.default_rng(seed)
    result = np.empty((2, times))
    for i in range(times):
        drawn = rng.integers(0, len(users), len(users))
        taken = np.concatenate([rows[u] for u in drawn])
        result[0, i] = auc(y[taken], score[taken])
        result[1, i] = areas[drawn] @ weight[drawn] / weight[drawn].sum()
    return result[0], result[1]
