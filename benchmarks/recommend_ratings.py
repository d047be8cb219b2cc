# SPDX-License-Identifier: Apache-2.0
"""Ratings of MovieLens-1M: the paper's models and ours on the same random 90/10, and the cold cases."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from benchmarks.harness import RESULTS, ROOT, Row
from heptad.analysis.intervals import Interval
from heptad.analysis.recommend.ratings.bayes import BayesianFactors
from heptad.analysis.recommend.ratings.factors import Factors
from heptad.analysis.recommend.ratings.rows import Means, Ratings, rmse

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.analysis.arrays import Array, Codes

SEEDS, FIRST = 5, 42
GOAL = 0.85
CODE = (
    "epochs.py",
    "ratings",
    *(f"neural/{n}.py" for n in ("films", "hybrid", "textcnn", "training", "words")),
)


def found(path: str) -> Path | None:
    """Return a data set's path, or say that it is absent."""
    path_ = Path(os.environ.get("HEPTAD_DATA") or "absent") / path
    if path_.exists():
        return path_
    print(f"not run: {path} is absent; set HEPTAD_DATA", file=sys.stderr, flush=True)
    return None


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
        "bayes": lambda: BayesianFactors(32, 80, 16, seed=seed, **known),
        "hybrid": lambda: Hybrid(sides, 64, 10, reg=0.06, seed=seed),
        "hybrid_cold_words": lambda: Hybrid(sides, 64, 10, reg=0.06, pretrained=False, seed=seed),
        "hybrid_no_title": lambda: Hybrid(sides, 64, 10, reg=0.06, title=False, seed=seed),
    }


class Kept:
    """Figures of long trainings, written as they come; those of another code are dropped."""

    def __init__(self, name: str, code: tuple[str, ...] = CODE) -> None:
        self.path = RESULTS / f"{name}.json"
        self.code = _code(code)
        self.fits: dict[str, Any] = {}
        if self.path.exists():
            held = json.loads(self.path.read_text(encoding="utf-8"))
            self.fits = held["fits"] if held["code"] == self.code else {}

    def scratch(self, *names: object) -> Path:
        """Return where a training keeps its last epoch until it is done."""
        folder = Path(tempfile.gettempdir()) / "heptad-courses"
        folder.mkdir(exist_ok=True)
        return folder / f"{'-'.join(map(str, names))}-{self.path.stem}-{self.code}.npz"

    def get(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what a work answered, doing it if it was not done before."""
        if name not in self.fits:
            print(f"  {name} …", file=sys.stderr, flush=True)
            answer = work()
            if self.path.exists():
                held = json.loads(self.path.read_text(encoding="utf-8"))
                self.fits |= held["fits"] if held["code"] == self.code else {}
            self.fits[name] = answer
            RESULTS.mkdir(exist_ok=True)
            text = json.dumps({"code": self.code, "fits": self.fits}, indent=1, sort_keys=True)
            self.path.write_text(text + "\n", encoding="utf-8")
        return self.fits[name]


def _code(names: tuple[str, ...]) -> str:
    sha = hashlib.sha256()
    for name in names:
        path = ROOT / "src/heptad/analysis/recommend" / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            sha.update(file.read_bytes())
    return sha.hexdigest()[:16]


def fitted(model: Any, train: Ratings, test: Ratings, keep: Path) -> dict[str, Any]:
    """Fit a model, watch the test loss by epoch (it decides nothing), and return the curve."""
    model.fit(train, test, keep=keep, progress=_tell)
    keep.unlink()
    cpu = model.told_[-1].seconds
    answer = _loss(test.values, model.predict(test.users, test.items))
    return answer | {"cpu_s": cpu, "curve": [asdict(epoch) for epoch in model.told_]}


def _tell(epoch: Any) -> None:
    if epoch.number % 5 == 0:
        print(f"    {epoch.number:4d} {epoch.seconds:7.1f} s  {epoch.loss:.4f}  {epoch.held_out:.4f}", file=sys.stderr, flush=True)  # fmt: skip


def _loss(actual: Array, expected: Array) -> dict[str, float]:
    gap = actual - expected
    return {"rmse": rmse(actual, expected), "mse": float(gap @ gap / len(gap)), "mae": float(np.abs(gap).mean())}  # fmt: skip


def split(ratings: Ratings, seed: int) -> tuple[Ratings, Ratings]:
    """Nine tenths to learn from, one to judge by, at random."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    cut = len(ratings) // 10
    return ratings.take(order[cut:]), ratings.take(order[:cut])


def one_seed(name: str, seed: int, data: Any, kept: Kept) -> dict[str, Any]:
    """Return the figures of a model on one split."""
    ratings, sides_of = data
    train, test = split(ratings, seed)

    def work() -> dict[str, Any]:
        if name == "means":
            return _loss(test.values, Means.fit(train).predict(test.users, test.items))
        return fitted(
            models(sides_of(np.unique(train.items)), seed)[name](),
            train,
            test,
            kept.scratch(name, seed),
        )

    return kept.get(f"{name} {seed}", work)


TARGETS = {"hybrid": GOAL, "bayes": 0.83}
WORDS = {
    "means": "mean and shrunken biases",
    "pmf": "PMF as written, 10 factors",
    "pmf_tuned": "PMF tuned, 200 factors",
    "matrix": "matrix model with biases, 200 factors",
    "hybrid": "text-CNN hybrid of paper 001",
    "hybrid_cold_words": "the same, word vectors not pre-trained",
    "hybrid_no_title": "the same without titles",
    "bayes": "ours: Bayesian factors of both sides' parts",
}


def ratings_row(*, quick: bool, seed: int) -> list[Row]:
    """RMSE on the random 90/10; every model on every seed, two ablations on the first."""
    folder = found("movielens-1m")
    if folder is None:
        return []
    _one_thread()
    data, kept = movielens(folder, quick), Kept(f"recommend-ratings{'-quick' if quick else ''}")
    seeds = [FIRST + seed + i for i in range(1 if quick else SEEDS)]
    for each in seeds:
        for name in WORDS:
            if each == seeds[0] or not name.startswith("hybrid_"):
                one_seed(name, each, data, kept)
    return _rows(kept, seeds, quick)


def _rows(kept: Kept, seeds: list[int], quick: bool) -> list[Row]:
    rows = []
    for name, words in WORDS.items():
        done = [kept.fits[f"{name} {s}"] for s in seeds if f"{name} {s}" in kept.fits]
        losses = np.array([d["rmse"] for d in done])
        reached = [_reached(d["curve"]) for d in done if "curve" in d]
        detail = {
            "seeds": len(done),
            "interval": asdict(_over_seeds(losses)) if len(losses) > 1 else None,
            "mse": float(np.mean([d["mse"] for d in done])),
            "mae": float(np.mean([d["mae"] for d in done])),
            "cpu_s": float(np.mean([d.get("cpu_s", 0.0) for d in done])),
            "reaches_0.85": reached,
        }
        target = None if quick else TARGETS.get(name)
        rows.append(Row(f"rmse_{name}", words, float(losses.mean()), "RMSE", target, detail=detail))
    return rows


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


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def cold_row(*, quick: bool, seed: int) -> list[Row]:
    """RMSE of users, and of films, without one rating, less that of the biases, by resampling them."""
    folder = found("movielens-1m")
    if folder is None:
        return []
    _one_thread()
    ratings, sides_of = movielens(folder, quick)
    kept = Kept(f"recommend-cold{'-quick' if quick else ''}")
    rows = []
    for side, codes in (("users", ratings.users), ("items", ratings.items)):
        for name in ("hybrid", "bayes"):
            answer = kept.get(
                f"{name} {side} {seed}",
                lambda c=codes, s=side, n=name: _cold(n, s, c, ratings, sides_of, seed),
            )
            rows.append(
                Row(
                    f"cold_{side}_{name}", f"{WORDS[name]}, cold {side}: upper end of RMSE less the biases'",
                    answer["gap"]["high"], "RMSE", None if quick else 0.0, detail=answer,
                )
            )  # fmt: skip
    return rows


def _cold(
    name: str, side: str, codes: Codes, ratings: Ratings, sides_of: Any, seed: int
) -> dict[str, Any]:
    from heptad.analysis.recommend.neural.hybrid import Hybrid

    rng = np.random.default_rng(FIRST + seed)
    n = ratings.shape[side == "items"]
    out = np.isin(codes, rng.choice(n, n // 10, replace=False))
    train, test = ratings.take(np.flatnonzero(~out)), ratings.take(np.flatnonzero(out))
    sides = sides_of(np.unique(train.items))
    model: Any = Hybrid(sides, 64, 8, reg=0.06, seed=seed)
    if name == "bayes":
        known = {"users": _fields_of_users(sides), "items": _fields_of_items(sides)}
        model = BayesianFactors(16, 60, 20, seed=seed, **known)
    model.fit(train, progress=_tell)
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
    kept = Kept(f"recommend-ratings{'-quick' if quick else ''}")
    chosen = [n for n in WORDS if "curve" in kept.fits.get(f"{n} {FIRST + seed}", {})]
    if not chosen:
        print("not run: ask for the row `ratings` first", file=sys.stderr, flush=True)
        return []
    lines = ["model,epoch,cpu_s,training_loss,test_rmse"]
    curves = {n: kept.fits[f"{n} {FIRST + seed}"]["curve"] for n in chosen}
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
