# SPDX-License-Identifier: Apache-2.0
"""Ratings of MovieLens-1M: the paper's models and ours on the same random 90/10."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from benchmarks.fits import Fits, found_data, torch_threads
from heptad.analysis.recommend.ratings.bayes import BayesianFactors
from heptad.analysis.recommend.ratings.factors import Factors
from heptad.analysis.recommend.ratings.rows import Means, Ratings, rmse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heptad.analysis.arrays import Array, Codes

FILES = tuple(f"movielens-1m/{n}" for n in ("ratings.parquet", "movies.dat", "users.dat"))
SEEDS, FIRST = 5, 42
GOAL = 0.85
BAYES = ((32, 120),)
"""Sizes of our model, and draws; ours is a mixture of all of them and the hybrid."""


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
    model.fit(train, test, keep=keep, progress=tell)
    cpu = model.told_[-1].seconds
    expected = model.predict(test.users, test.items)
    answer = loss_of(test.values, expected) | {"expected": np.round(expected, 3).tolist()}
    return answer | {"cpu_s": cpu, "curve": [asdict(epoch) for epoch in model.told_]}


def tell(epoch: Any) -> None:
    """Say how every fifth epoch ended."""
    if epoch.number % 5 == 0:
        print(f"    {epoch.number:4d} {epoch.seconds:7.1f} s  {epoch.loss:.4f}  {epoch.held_out:.4f}", file=sys.stderr, flush=True)  # fmt: skip


def loss_of(actual: Array, expected: Array) -> dict[str, float]:
    """Return the losses of expected ratings."""
    gap = actual - expected
    return {"rmse": rmse(actual, expected), "mse": float(gap @ gap / len(gap)), "mae": float(np.abs(gap).mean())}  # fmt: skip


def split(ratings: Ratings, seed: int, share: int = 10) -> tuple[Ratings, Ratings]:
    """Nine tenths to learn from, one to judge by, at random."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    cut = len(ratings) // share
    return ratings.take(order[cut:]), ratings.take(order[:cut])


@cache
def data_of(quick: bool) -> Any:
    """Return the ratings, and what makes their sides."""
    torch_threads()
    folder = found_data("movielens-1m")
    assert folder is not None
    return movielens(folder, quick)


MIXED = ("hybrid", *(f"bayes{k}" for k, _ in BAYES))
"""What is judged on a twentieth of the first training part too: ours is a mixture of these."""


def _one_seed(name: str, seed: int, quick: bool, inner: bool, keep: Path) -> dict[str, Any]:
    """Return the figures of a model on one split, or on a twentieth of its training part."""
    ratings, sides_of = data_of(quick)
    train, test = split(ratings, seed)
    if inner:
        train, test = split(train, seed, 20)
    if name == "means":
        return loss_of(test.values, Means.fit(train).predict(test.users, test.items))
    model = models(sides_of(np.unique(train.items)), seed)[name]()
    if quick:
        shorten(model)
    return fitted(model, train, test, keep)


def shorten(model: Any) -> None:
    """Let a model learn for a quick run."""
    model.epochs = min(model.epochs, 4)
    if isinstance(model, BayesianFactors):
        model.burn, model.every = 1, 1


def seeds_of(quick: bool, seed: int) -> list[int]:
    """Return the seeds of the splits."""
    return [FIRST + seed + i for i in range(1 if quick else SEEDS)]


def ratings_fits(*, quick: bool, seed: int) -> Fits:
    """Every model on every split, two ablations on the first."""
    seeds = seeds_of(quick, seed)
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
    return Fits("ratings", work, "benchmarks.recommend_ratings", *FILES, quick=quick)


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
