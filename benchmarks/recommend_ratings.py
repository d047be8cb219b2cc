# SPDX-License-Identifier: Apache-2.0
"""Ratings of MovieLens-1M: the paper's models and ours on the same random 90/10, and the cold cases."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize, sparse

from benchmarks.fits import Fits, code_of, found_data
from benchmarks.harness import RESULTS, Row
from heptad.analysis.intervals import Interval
from heptad.analysis.recommend.ratings.bayes import BayesianFactors
from heptad.analysis.recommend.ratings.factors import Factors
from heptad.analysis.recommend.ratings.rows import Means, Ratings, rmse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heptad.analysis.arrays import Array, Codes

SEEDS, FIRST = 5, 42
GOAL = 0.85
BAYES = ((32, 120), (64, 160), (128, 160))
"""Sizes of our model, and draws; the one that is best on a twentieth of a training part is ours."""
CODE = (
    "epochs.py",
    "ratings",
    *(f"neural/{n}.py" for n in ("films", "hybrid", "textcnn", "training", "words")),
)


def movielens(folder: Path, quick: bool) -> tuple[Ratings, Any]:
    """Ratings in the order of the file, users and films by code, and what is known of them."""
    import pyarrow.parquet as pq

    from heptad.analysis.recommend.neural import films
    from heptad.analysis.recommend.neural.hybrid import Sides

    table = pq.read_table(folder / "ratings.parquet")
    ids = [table[name].to_numpy().astype(np.int64) for name in ("user_id", "movie_id")]
    values = table["rating"].to_numpy().astype(np.float64)
    if quick:
        few = ids[0] <= 600
        ids, values = [column[few] for column in ids], values[few]
    (of_user, users), (of_item, items) = (np.unique(column, return_inverse=True) for column in ids)
    ratings = Ratings(users, items, values, (len(of_user), len(of_item)))
    told = {int(f[0]): f for f in _fields(folder / "users.dat")}
    people = [told[user] for user in of_user.tolist()]
    told = {int(f[0]): f for f in _fields(folder / "movies.dat")}
    shown = [told[item] for item in of_item.tolist()]
    lists = [films.genres(f[2]) for f in shown], [films.words(f[1]) for f in shown]
    known = {
        "gender": films.gender([f[1] for f in people]),
        "age": films.age([int(f[2]) for f in people]),
        "occupation": np.array([int(f[3]) for f in people]),
    }
    return ratings, lambda rated: _sides(Sides, films.Vocabulary, known, *lists, rated)


def _fields(path: Path) -> list[list[str]]:
    return [line.split("::") for line in path.read_text(encoding="latin-1").splitlines()]


def _sides(sides: Any, vocabulary: Any, known: Any, genres: Any, titles: Any, rated: Codes) -> Any:
    """Number genres and words by the films that the training rows rate."""
    held = [vocabulary.fit([lists[i] for i in rated]) for lists in (genres, titles)]
    return sides(known, {"genres": held[0].codes(genres)}, held[1].codes(titles))


def _fields_of_items(sides: Any) -> Any:
    codes = sides.lists["genres"]
    rows, places = np.nonzero(codes)
    return sparse.csc_matrix(
        (np.ones(len(rows)), (rows, codes[rows, places] - 1)), (len(codes), int(codes.max()))
    )


def _fields_of_users(sides: Any) -> Any:
    return sparse.hstack(
        [
            sparse.csc_matrix((np.ones(len(c)), (np.arange(len(c)), c)))
            for c in sides.users.values()
        ],
        format="csc",
    )


def models(sides: Any, seed: int) -> dict[str, Callable[[], Any]]:
    """All models with what they were set to on a twentieth of the training rows of one seed."""
    from heptad.analysis.recommend.neural.hybrid import Hybrid

    known = {"users": _fields_of_users(sides), "items": _fields_of_items(sides)}
    return {
        "pmf": lambda: Factors(10, 100, 0.005, reg=0.01, reg_by="row", biases=False, seed=seed),
        "pmf_tuned": lambda: Factors(200, 40, 0.01, reg=0.06, decay=0.98, biases=False, seed=seed),
        "matrix": lambda: Factors(200, 32, 0.01, reg=0.05, decay=0.98, seed=seed),
        **{f"bayes{k}": partial(BayesianFactors, k, n, 20, seed=seed, **known) for k, n in BAYES},
        "hybrid": lambda: Hybrid(sides, 64, 10, reg=0.06, seed=seed),
        "hybrid_cold_words": lambda: Hybrid(sides, 64, 10, reg=0.06, pretrained=False, seed=seed),
        "hybrid_no_title": lambda: Hybrid(sides, 64, 10, reg=0.06, title=False, seed=seed),
    }


def fitted(model: Any, train: Ratings, test: Ratings, keep: Path) -> dict[str, Any]:
    """Fit a model, watch the test loss by epoch (it decides nothing), and return the curve."""
    model.fit(train, test, keep=keep, progress=_tell)
    cpu = model.told_[-1].seconds
    expected = model.predict(test.users, test.items)
    answer = _loss(test.values, expected) | {"expected": np.round(expected, 3).tolist()}
    return answer | {"cpu_s": cpu, "curve": [asdict(epoch) for epoch in model.told_]}


def _tell(epoch: Any) -> None:
    if epoch.number % 5 == 0:
        print(f"    {epoch.number:4d} {epoch.seconds:7.1f} s  {epoch.loss:.4f}  {epoch.held_out:.4f}", file=sys.stderr, flush=True)  # fmt: skip


def _loss(actual: Array, expected: Array) -> dict[str, float]:
    gap = actual - expected
    return {"rmse": rmse(actual, expected), "mse": float(gap @ gap / len(gap)), "mae": float(np.abs(gap).mean())}  # fmt: skip


def split(ratings: Ratings, seed: int, share: int = 10) -> tuple[Ratings, Ratings]:
    """Nine tenths to learn from, one to judge by, at random."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    cut = len(ratings) // share
    return ratings.take(order[cut:]), ratings.take(order[:cut])


@cache
def _data(quick: bool) -> Any:
    torch_threads()
    folder = found_data("movielens-1m")
    assert folder is not None
    return movielens(folder, quick)


MIXED = ("hybrid", *(f"bayes{k}" for k, _ in BAYES))
"""What is judged on a twentieth of the first training part too: ours is a mixture of these."""


def _one_seed(name: str, seed: int, quick: bool, inner: bool, keep: Path) -> dict[str, Any]:
    """Return the figures of a model on one split, or on a twentieth of its training part."""
    ratings, sides_of = _data(quick)
    train, test = split(ratings, seed)
    if inner:
        train, test = split(train, seed, 20)
    if name == "means":
        return _loss(test.values, Means.fit(train).predict(test.users, test.items))
    model = models(sides_of(np.unique(train.items)), seed)[name]()
    if quick:
        _shorten(model)
    return fitted(model, train, test, keep)


def _shorten(model: Any) -> None:
    model.epochs = min(model.epochs, 4)
    if isinstance(model, BayesianFactors):
        model.burn, model.every = 1, 1


def _seeds(quick: bool, seed: int) -> list[int]:
    return [FIRST + seed + i for i in range(1 if quick else SEEDS)]


def ratings_fits(*, quick: bool, seed: int) -> Fits:
    """Every model on every split, two ablations on the first."""
    seeds = _seeds(quick, seed)
    # The longest first, for processes that share them.
    names = [*reversed(WORDS)]
    work = {
        f"inner_{name}-{seeds[0]}": partial(_one_seed, name, seeds[0], quick, True)
        for name in names
        if name in MIXED
    }
    work |= {
        f"{name}-{each}": partial(_one_seed, name, each, quick, False)
        for name in names
        for each in seeds
        if each == seeds[0] or not name.startswith("hybrid_")
    }
    return Fits("ratings", work, code_of(*CODE), quick=quick)


TARGETS = {"hybrid": GOAL, "ours": 0.83}
WORDS = {
    "means": "mean and shrunken biases",
    "pmf": "PMF as written, 10 factors",
    "pmf_tuned": "PMF tuned, 200 factors",
    "matrix": "matrix model with biases, 200 factors",
    "hybrid": "text-CNN hybrid of paper 001",
    "hybrid_cold_words": "the same, word vectors not pre-trained",
    "hybrid_no_title": "the same without titles",
    **{f"bayes{k}": f"Bayesian factors of both sides' parts, {k} of them" for k, _ in BAYES},
}


def ratings_row(*, quick: bool, seed: int) -> list[Row]:
    """RMSE on the random 90/10; every model on every seed, two ablations on the first."""
    if found_data("movielens-1m") is None:
        return []
    fits = ratings_fits(quick=quick, seed=seed)
    done = {name: fits.get(name) for name in fits.work}
    rows = [
        _of_model(name, [done[f"{name}-{s}"] for s in _seeds(quick, seed) if f"{name}-{s}" in done], quick)
        for name in WORDS
    ]  # fmt: skip
    return [*rows, _ours_row(done, quick, seed)]


def _ours_row(done: dict[str, dict[str, Any]], quick: bool, seed: int) -> Row:
    """Mix the models with the shares that are best on the inner split, the same for every seed."""
    ratings, _ = _data(quick)
    seeds = _seeds(quick, seed)
    _, inner = split(split(ratings, seeds[0])[0], seeds[0], 20)
    each = np.array([done[f"inner_{name}-{seeds[0]}"]["expected"] for name in MIXED])
    shares, _ = optimize.nnls(each.T, inner.values)
    losses, answers = [], []
    for one in seeds:
        _, test = split(ratings, one)
        expected = shares @ np.array([done[f"{name}-{one}"]["expected"] for name in MIXED])
        answers.append(_loss(test.values, expected.clip(*ratings.span)))
        losses.append(answers[-1]["rmse"])
    detail = {
        "seeds": len(seeds), "shares": dict(zip(MIXED, shares.tolist(), strict=True)),
        "inner": {n: done[f"inner_{n}-{seeds[0]}"]["rmse"] for n in MIXED},
        "interval": asdict(_over_seeds(np.array(losses))) if len(losses) > 1 else None,
        "mse": float(np.mean([a["mse"] for a in answers])),
        "mae": float(np.mean([a["mae"] for a in answers])),
    }  # fmt: skip
    words = "ours: a mixture of Bayesian factors and the hybrid"
    target = None if quick else TARGETS["ours"]
    return Row("rmse_ours", words, float(np.mean(losses)), "RMSE", target, detail=detail)


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


def torch_threads() -> None:
    """Train on one core: many fits share a machine."""
    import torch

    torch.set_num_threads(1)


def cold_fits(*, quick: bool, seed: int) -> Fits:
    """Both models on users without one rating, and on films without one."""
    work = {
        f"{name}-{side}-{seed}": partial(_cold, name, side, seed, quick)
        for side in ("users", "items")
        for name in ("hybrid", "bayes32")
    }
    return Fits("cold", work, code_of(*CODE), quick=quick)


def cold_row(*, quick: bool, seed: int) -> list[Row]:
    """RMSE of users, and of films, without one rating, less that of the biases, by resampling them."""
    if found_data("movielens-1m") is None:
        return []
    fits, rows = cold_fits(quick=quick, seed=seed), []
    for fit in fits.work:
        name, side, _ = fit.split("-")
        answer = fits.get(fit)
        rows.append(
            Row(
                f"cold_{side}_{name}", f"{WORDS[name]}, cold {side}: upper end of RMSE less the biases'",
                answer["gap"]["high"], "RMSE", None if quick else 0.0, detail=answer,
            )
        )  # fmt: skip
    return rows


def _cold(name: str, side: str, seed: int, quick: bool, keep: Path) -> dict[str, Any]:
    from heptad.analysis.recommend.neural.hybrid import Hybrid

    ratings, sides_of = _data(quick)
    codes = ratings.users if side == "users" else ratings.items
    rng = np.random.default_rng(FIRST + seed)
    n = ratings.shape[side == "items"]
    out = np.isin(codes, rng.choice(n, n // 10, replace=False))
    train, test = ratings.take(np.flatnonzero(~out)), ratings.take(np.flatnonzero(out))
    sides = sides_of(np.unique(train.items))
    model: Any = Hybrid(sides, 64, 8, reg=0.06, seed=seed)
    if name != "hybrid":
        known = {"users": _fields_of_users(sides), "items": _fields_of_items(sides)}
        model = BayesianFactors(16, 60, 20, seed=seed, **known)
    if quick:
        _shorten(model)
    model.fit(train, keep=keep, progress=_tell)
    expected = model.predict(test.users, test.items)
    base = Means.fit(train).predict(test.users, test.items)
    return {
        "rmse": rmse(test.values, expected),
        "rmse_biases": rmse(test.values, base),
        "gap": asdict(_resampled(codes[out], test.values, expected, base, seed)),
    }


def _resampled(who: Codes, actual: Array, expected: Array, base: Array, seed: int) -> Interval:
    """The difference of two RMSE, with its 95 % interval over users (or films) drawn anew."""
    _, who = np.unique(who, return_inverse=True)
    sums = np.stack(
        [
            np.bincount(who),
            np.bincount(who, (actual - expected) ** 2),
            np.bincount(who, (actual - base) ** 2),
        ]
    )
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(sums.shape[1], np.full(sums.shape[1], 1 / sums.shape[1]), 2000) @ sums.T
    gaps = np.sqrt(drawn[:, 1] / drawn[:, 0]) - np.sqrt(drawn[:, 2] / drawn[:, 0])
    n, ours, theirs = sums.sum(1)
    low, high = np.quantile(gaps, (0.025, 0.975))
    return Interval(float(np.sqrt(ours / n) - np.sqrt(theirs / n)), float(low), float(high))


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
