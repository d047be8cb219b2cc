# SPDX-License-Identifier: Apache-2.0
"""Ratings of MovieLens-1M as rows: every model, our mixture, the cold cases, the loss curves."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize

from benchmarks.fits import found_data
from benchmarks.harness import RESULTS, Row
from benchmarks.recommend_cold import cold_fits
from benchmarks.recommend_ratings import (
    FIRST,
    GOAL,
    MIXED,
    WORDS,
    data_of,
    loss_of,
    ratings_fits,
    seeds_of,
    split,
)
from heptad.analysis.intervals import Interval

if TYPE_CHECKING:
    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.ratings.rows import Ratings

TARGETS = {"hybrid": GOAL, "ours": 0.83}


def ratings_row(*, quick: bool, seed: int) -> list[Row]:
    """RMSE on the random 90/10; every model on every seed, two ablations on the first."""
    if found_data("movielens-1m") is None:
        return []
    fits = ratings_fits(quick=quick, seed=seed)
    done = {name: fits.get(name) for name in fits.work}
    rows = [
        _of_model(name, [done[f"{name}-{s}"] for s in seeds_of(quick, seed) if f"{name}-{s}" in done], quick)
        for name in WORDS
    ]  # fmt: skip
    return [*rows, _ours_row(done, quick, seed)]


def _ours_row(done: dict[str, dict[str, Any]], quick: bool, seed: int) -> Row:
    """Mix the models of each seed with the shares that are best on the inner split.

    The inner split is of the first seed: what it is judged by lies in part in the test of the others,
    so each seed's shares are fitted without the ratings of its own test.
    """
    ratings, _ = data_of(quick)
    seeds = seeds_of(quick, seed)
    numbered = replace(ratings, values=np.arange(len(ratings), dtype=np.float64))
    inner = _places(split(split(numbered, seeds[0])[0], seeds[0], 20)[1])
    each = np.array([done[f"inner_{name}-{seeds[0]}"]["expected"] for name in MIXED])
    answers, fitted = [], []
    for one in seeds:
        test = _places(split(numbered, one)[1])
        free = ~np.isin(inner, test)
        shares, _ = optimize.nnls(each[:, free].T, ratings.values[inner[free]])
        fitted.append({"ratings": int(free.sum())} | dict(zip(MIXED, shares.tolist(), strict=True)))
        expected = shares @ np.array([done[f"{name}-{one}"]["expected"] for name in MIXED])
        answers.append(loss_of(ratings.values[test], expected.clip(*ratings.span)))
    losses = np.array([a["rmse"] for a in answers])
    detail = {
        "seeds": len(seeds), "shares": dict(zip(map(str, seeds), fitted, strict=True)),
        "inner": {n: done[f"inner_{n}-{seeds[0]}"]["rmse"] for n in MIXED},
        "interval": asdict(_over_seeds(losses)) if len(losses) > 1 else None,
        "mse": float(np.mean([a["mse"] for a in answers])),
        "mae": float(np.mean([a["mae"] for a in answers])),
    }  # fmt: skip
    words = "ours: a mixture of Bayesian factors and the hybrid"
    target = None if quick else TARGETS["ours"]
    return Row("rmse_ours", words, float(np.mean(losses)), "RMSE", target, detail=detail)


def _places(numbered: Ratings) -> Codes:
    """Where ratings stood before they were split, if their values are their numbers."""
    return numbered.values.astype(np.int64)


def _of_model(name: str, done: list[dict[str, Any]], quick: bool) -> Row:
    losses = np.array([d["rmse"] for d in done])
    detail = {
        "seeds": len(done),
        "interval": asdict(_over_seeds(losses)) if len(losses) > 1 else None,
        "mse": float(np.mean([d["mse"] for d in done])),
        "mae": float(np.mean([d["mae"] for d in done])),
        "cpu_s": float(np.mean([d.get("cpu_s", 0.0) for d in done])),
        "reaches_0.85": [_reached(d["curve"]) for d in done if "curve" in d],
    }
    target = None if quick else TARGETS.get(name)
    return Row(f"rmse_{name}", WORDS[name], float(losses.mean()), "RMSE", target, detail=detail)


def _over_seeds(values: Array) -> Interval:
    from scipy import stats

    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return Interval(float(values.mean()), float(values.mean() - half), float(values.mean() + half))


def _reached(curve: list[dict[str, float]]) -> dict[str, float] | None:
    """The first epoch whose held-out loss is at the goal, with its CPU seconds."""
    for epoch in curve:
        if epoch["held_out"] <= GOAL:
            return {"epoch": epoch["number"], "cpu_s": round(epoch["seconds"], 1)}
    return None


def cold_row(*, quick: bool, seed: int) -> list[Row]:
    """RMSE of users, and of films, without one rating, less that of the biases."""
    if found_data("movielens-1m") is None:
        return []
    fits, rows = cold_fits(quick=quick, seed=seed), []
    done = {name: fits.get(name) for name in fits.work}
    for side in ("users", "items"):
        answers = [answer for name, answer in done.items() if name.startswith(f"hybrid-{side}")]
        gap, ours, theirs = _resampled(np.hstack([a["sums"] for a in answers]).T, seed)
        detail = {
            "rmse": ours, "rmse_biases": theirs, "gap": asdict(gap),
            "left out": sum(len(a["sums"][0]) for a in answers), "folds": len(answers),
        }  # fmt: skip
        words = f"{WORDS['hybrid']}, {side} without a rating: upper end of RMSE less the biases'"
        target = None if quick else 0.0
        rows.append(Row(f"cold_{side}", words, gap.high, "RMSE", target, detail=detail))
    return rows


def _resampled(sums: Array, seed: int) -> tuple[Interval, float, float]:
    """The difference of two RMSE, with its 95 % interval over users (or films) drawn anew.

    Args:
        sums: (n, 3) of each of them, the ratings and both sums of squared errors.
        seed: of the draws.

    Returns:
        The difference, and both RMSE.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), 2000) @ sums
    gaps = np.sqrt(drawn[:, 1] / drawn[:, 0]) - np.sqrt(drawn[:, 2] / drawn[:, 0])
    n, ours, theirs = sums.sum(0)
    ours, theirs = float(np.sqrt(ours / n)), float(np.sqrt(theirs / n))
    low, high = np.quantile(gaps, (0.025, 0.975))
    return Interval(ours - theirs, float(low), float(high)), ours, theirs


def curves_row(*, quick: bool, seed: int) -> list[Row]:
    """Figures 1 and 2 of paper 001: loss by epoch and by second, as CSV and PNG."""
    fits = ratings_fits(quick=quick, seed=seed)
    held = {n: fits.kept(f"{n}-{FIRST + seed}") or {} for n in WORDS}
    curves = {n: answer["curve"] for n, answer in held.items() if "curve" in answer}
    if not curves:
        print("not run: ask for the row `ratings` first", file=sys.stderr, flush=True)
        return []
    lines = ["model,epoch,cpu_s,training_loss,test_rmse"]
    for name, curve in curves.items():
        lines += [
            f"{name},{e['number']},{e['seconds']:.2f},{e['loss']:.5f},{e['held_out']:.5f}"
            for e in curve
        ]
    (RESULTS / "recommend-losses.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _drawn(curves)
    return [Row("loss_points", "epochs of all models, as CSV and PNG", len(lines) - 1, "points")]


def _drawn(curves: dict[str, list[dict[str, float]]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
    for axis, by in zip(axes, ("number", "seconds"), strict=True):
        for name, curve in curves.items():
            axis.plot([e[by] for e in curve], [e["held_out"] for e in curve], label=WORDS[name])
        axis.axhline(GOAL, color="grey", linewidth=0.8, linestyle=":")
        axis.set_xlabel({"number": "epoch", "seconds": "CPU seconds"}[by])
    axes[1].set_xscale("log")
    axes[0].set_ylabel("test RMSE")
    axes[0].set_ylim(0.8, 1.0)
    axes[1].legend(fontsize=8)
    figure.savefig(RESULTS / "recommend-losses.png", dpi=110)
