# SPDX-License-Identifier: Apache-2.0
"""Implicit least squares and ranking for everybody, beside LensKit on the same events and cores."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fits import Fits, found_data
from benchmarks.harness import ROOT, Row
from benchmarks.peer import ask
from heptad.analysis.recommend.factors import Factors
from heptad.analysis.recommend.interactions import Interactions
from heptad.analysis.recommend.judging import judge
from heptad.analysis.recommend.splits import Split, last_out

if TYPE_CHECKING:
    from pathlib import Path

SIZE, EPOCHS = 64, 15
FILES = ("movielens-1m/ratings.parquet", "movielens-1m/loo_test_ncf.tsv")
GRID = ((0.003, 0.1), (0.01, 0.3), (0.003, 0.3))
"""Regularisation and weight of unobserved cells, tuned on the last event but one."""


@cache
def _data(quick: bool) -> Split:
    """All ratings as events; of each person the last one is held out."""
    import pyarrow.parquet as pq

    folder = found_data("movielens-1m")
    assert folder is not None
    table = pq.read_table(folder / "ratings.parquet")
    users, films = (table[n].to_numpy().astype(np.int64) for n in ("user_id", "movie_id"))
    if quick:
        users, films = users[users <= 600], films[users <= 600]
    last = np.loadtxt(folder / "loo_test_ncf.tsv", dtype=np.int64, skiprows=1, usecols=(0, 1))
    held = np.isin(users * 10_000 + films, last[:, 0] * 10_000 + last[:, 1])
    names, items = np.unique(films, return_inverse=True)
    shape = {"n_users": int(users.max()), "n_items": len(names)}
    train, test = (Interactions.of(users[k] - 1, items[k], **shape) for k in (~held, held))
    return Split(train, test, np.unique(test.users), "last out")


def _ours(seed: int, quick: bool, _keep: Path) -> dict[str, Any]:
    split = _data(quick)
    inner = last_out(split.train)
    tried = {}
    for reg, unobserved in GRID:
        model = Factors(SIZE, reg, unobserved, EPOCHS, seed).fit(inner.train)
        before = inner.train.matrix()
        tried[reg, unobserved] = judge(inner, lambda r, m=model, b=before: m.scores(b[r])).mean("ndcg")  # fmt: skip
    reg, unobserved = max(tried, key=lambda pair: tried[pair])
    start = time.process_time()
    model = Factors(SIZE, reg, unobserved, EPOCHS, seed).fit(split.train)
    fit = time.process_time() - start
    start = time.process_time()
    before = split.train.matrix()
    found = judge(split, lambda r: model.scores(before[r]))
    return {"fit_s": fit, "judge_s": time.process_time() - start, "ndcg": found.mean("ndcg"),
            "tuned": {str(k): v for k, v in tried.items()}}  # fmt: skip


def _lenskit(seed: int, quick: bool, _keep: Path) -> dict[str, Any]:
    split = _data(quick)
    answer = ask(
        "lenskit", "als", users=split.train.users, items=split.train.items, who=split.rows,
        wanted=split.test.items[np.argsort(split.test.users, kind="stable")],
        size=SIZE, epochs=EPOCHS, seed=seed,
    )  # fmt: skip
    wanted = split.test.matrix()[split.rows].toarray() > 0
    lists = answer["lists"]
    hits = np.take_along_axis(wanted, np.maximum(lists, 0), axis=1) & (lists >= 0)
    places = np.arange(10) + 2.0
    # LensKit counts the first two places alike, after Järvelin and Kekäläinen; so its figure is checked.
    theirs = float((hits @ (1 / np.maximum(np.log2(places - 1), 1))).mean())
    assert abs(theirs - float(answer["ndcg"])) < 1e-6, "LensKit's lists came over wrong"
    ours = float((hits @ (1 / np.log2(places))).mean())
    return {"fit_s": float(answer["fit_s"]), "judge_s": float(answer["judge_s"]), "ndcg": ours}


def als_fits(*, quick: bool, seed: int) -> Fits:
    """Ours and LensKit's."""
    work = {
        f"ours-{seed}": partial(_ours, seed, quick),
        f"lenskit-{seed}": partial(_lenskit, seed, quick),
    }
    peer = (ROOT / "benchmarks" / "peers" / "lenskit" / n for n in ("peer.py", "requirements.txt"))
    return Fits("als", work, "benchmarks.recommend_als", *FILES, *peer, quick=quick)


def als_row(*, quick: bool, seed: int) -> list[Row]:
    """CPU seconds of fit and of full ranking, ours over LensKit's; the quality of both."""
    if found_data("movielens-1m") is None:
        return []
    fits = als_fits(quick=quick, seed=seed)
    ours, theirs = (fits.get(f"{name}-{seed}") for name in ("ours", "lenskit"))
    told = {"ours": ours, "lenskit": theirs}
    limit = None if quick else 1.0
    return [
        Row("als_fit", "CPU seconds of a fit over LensKit's", ours["fit_s"] / theirs["fit_s"], "ratio", limit,
            detail=told),
        Row("als_judge", "CPU seconds of full ranking and its figures over LensKit's",
            ours["judge_s"] / theirs["judge_s"], "ratio", limit),
        Row("als_ndcg", f"NDCG@10 over LensKit's {theirs['ndcg']:.4f}", ours["ndcg"] / theirs["ndcg"], "ratio",
            None if quick else 0.98, least=True),
    ]  # fmt: skip
