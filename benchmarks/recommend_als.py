# SPDX-License-Identifier: Apache-2.0
"""Implicit least squares and ranking for everybody, beside LensKit on the same events and cores.

Both are tuned on the same events, LensKit over more settings; what is timed of both is timed in turn,
in one fit.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fits import RUNNING, Fits, found_data
from benchmarks.harness import ROOT, Row
from benchmarks.peer import ask
from heptad.analysis.recommend.factors import Factors
from heptad.analysis.recommend.interactions import Interactions
from heptad.analysis.recommend.judging import judge
from heptad.analysis.recommend.splits import Split, last_out

if TYPE_CHECKING:
    from pathlib import Path

    from heptad.analysis.arrays import Codes

SIZE, EPOCHS, TIMES, TUNED_ON = 64, 15, 3, 1500
"""Length of a vector, alternations, timed pairs, and people whom both are tuned on."""
FILES = ("movielens-1m/ratings.parquet", "movielens-1m/loo_test_ncf.tsv")
OURS = tuple(product((0.003, 0.01, 0.03), (0.1, 0.3, 1.0)))
"""Regularisation, scaled by events, and weight of a cell without an event against one with it."""
THEIRS = tuple(product((0.1, 10.0, 50.0), (1.0, 3.0, 10.0, 40.0)))
"""Regularisation, and weight of an event against a cell without: those of ours, and 0.1 and 40, its own."""


@cache
def _data(quick: bool) -> Split:
    """All ratings as events; of each person the last one is held out.

    The instants of about four in ten ratings are not known: these come before all others.
    """
    import pyarrow.parquet as pq

    folder = found_data("movielens-1m")
    assert folder is not None
    table = pq.read_table(folder / "ratings.parquet")
    users, films = (table[n].to_numpy().astype(np.int64) for n in ("user_id", "movie_id"))
    times = table["timestamp"].fill_null(0).to_numpy().astype(np.int64)
    if quick:
        few = users <= 600
        users, films, times = users[few], films[few], times[few]
    last = np.loadtxt(folder / "loo_test_ncf.tsv", dtype=np.int64, skiprows=1, usecols=(0, 1))
    held = np.isin(users * 10_000 + films, last[:, 0] * 10_000 + last[:, 1])
    names, items = np.unique(films, return_inverse=True)
    shape = {"n_users": int(users.max()), "n_items": len(names)}
    train, test = (
        Interactions.of(users[k] - 1, items[k], times[k], **shape) for k in (~held, held)
    )
    return Split(train, test, np.unique(test.users), "last out")


def _inner(split: Split, seed: int) -> Split:
    """Hold out the last event but one; some of those are judged for whom its instant is known."""
    inner = last_out(split.train)
    known = inner.test.users[inner.test.times > 0]
    some = np.random.default_rng(seed).permutation(known)[:TUNED_ON]
    return replace(inner, rows=np.sort(some))


def _tuned_ours(seed: int, quick: bool, _keep: Path) -> dict[str, Any]:
    inner, tried = _inner(_data(quick), seed), {}
    before = inner.train.matrix()
    for setting in OURS:
        model = Factors(SIZE, *setting, EPOCHS, seed).fit(inner.train)
        tried[setting] = judge(inner, lambda r, m=model: m.scores(before[r])).mean("ndcg")
    return _told(inner, tried)


def _tuned_lenskit(seed: int, quick: bool, _keep: Path) -> dict[str, Any]:
    inner = _inner(_data(quick), seed)
    lists = _asked("tune", inner, seed, THEIRS)["lists"]
    return _told(inner, {s: _ndcg(inner, f) for s, f in zip(THEIRS, lists, strict=True)})


def _told(inner: Split, tried: dict[tuple[float, float], float]) -> dict[str, Any]:
    """NDCG@10 of each setting, and the best."""
    best = max(tried, key=lambda setting: tried[setting])
    return {"best": best, "people": len(inner.rows), "ndcg": {str(s): v for s, v in tried.items()}}


def _asked(work: str, split: Split, seed: int, settings: Any) -> dict[str, Any]:
    """Let LensKit fit and rank, for each of its settings."""
    wanted = split.test.part(np.isin(split.test.users, split.rows))
    return ask(
        "lenskit", work, users=split.train.users, items=split.train.items, who=split.rows,
        wanted=wanted.items[np.argsort(wanted.users, kind="stable")],
        size=SIZE, epochs=EPOCHS, seed=seed, settings=np.array(settings),
    )  # fmt: skip


def _ndcg(split: Split, lists: Codes) -> float:
    """NDCG@10 of LensKit's lists as we count it."""
    return float((_hits(split, lists) @ (1 / np.log2(np.arange(10) + 2.0))).mean())


def _hits(split: Split, lists: Codes) -> Any:
    wanted = split.test.matrix()[split.rows].toarray() > 0
    return np.take_along_axis(wanted, np.maximum(lists, 0), axis=1) & (lists >= 0)


def _ours(split: Split, setting: tuple[float, float], seed: int) -> dict[str, float]:
    start = time.process_time()
    model = Factors(SIZE, *setting, EPOCHS, seed).fit(split.train)
    fit = time.process_time() - start
    start = time.process_time()
    before = split.train.matrix()
    found = judge(split, lambda r: model.scores(before[r]))
    return {"fit_s": fit, "judge_s": time.process_time() - start, "ndcg": found.mean("ndcg")}


def _theirs(split: Split, setting: tuple[float, float], seed: int) -> dict[str, float]:
    answer = _asked("als", split, seed, [setting])
    (lists,) = answer["lists"]
    # LensKit counts the first two places alike, after Järvelin and Kekäläinen; so its figure is checked.
    alike = 1 / np.maximum(np.log2(np.arange(10) + 1.0), 1)
    own = float((_hits(split, lists) @ alike).mean())
    assert abs(own - float(answer["ndcg"])) < 1e-6, "LensKit's lists came over wrong"
    told = {"fit_s": float(answer["fit_s"]), "judge_s": float(answer["judge_s"])}
    return told | {"ndcg": _ndcg(split, lists)}


def _timed(seed: int, quick: bool, _keep: Path) -> dict[str, Any]:
    """Let both fit and rank in turn, each as it is best."""
    split, fits = _data(quick), als_fits(quick=quick, seed=seed)
    mine, other = (fits.get(f"tuned_{name}-{seed}")["best"] for name in ("ours", "lenskit"))
    runs = [
        {"ours": _ours(split, mine, seed), "lenskit": _theirs(split, other, seed)}
        for _ in range(TIMES)
    ]
    return {"settings": {"ours": mine, "lenskit": other}, "runs": runs}


def als_fits(*, quick: bool, seed: int) -> Fits:
    """Both tuned, and both timed together."""
    peer = (ROOT / "benchmarks" / "peers" / "lenskit" / n for n in ("peer.py", "requirements.txt"))
    each = {"tuned_ours": _tuned_ours, "tuned_lenskit": _tuned_lenskit, "timed": _timed}
    work = {f"{name}-{seed}": partial(function, seed, quick) for name, function in each.items()}
    data = (*FILES, *peer)
    return Fits("als", work, "benchmarks.recommend_als", *data, quick=quick, within=RUNNING)


def als_row(*, quick: bool, seed: int) -> list[Row]:
    """CPU seconds of fit and of full ranking, ours over LensKit's; the quality of both."""
    if found_data("movielens-1m") is None:
        return []
    fits = als_fits(quick=quick, seed=seed)
    told, tuned = fits.get(f"timed-{seed}"), {n: fits.get(n) for n in fits.work if "tuned" in n}
    limit = None if quick else 1.0

    def ratio(name: str) -> float:
        return statistics.median(run["ours"][name] / run["lenskit"][name] for run in told["runs"])

    theirs = told["runs"][0]["lenskit"]["ndcg"]
    return [
        Row("als_fit", "CPU seconds of a fit over LensKit's", ratio("fit_s"), "ratio", limit, detail=told | tuned),
        Row("als_judge", "CPU seconds of full ranking and its figures over LensKit's",
            ratio("judge_s"), "ratio", limit),
        Row("als_ndcg", f"NDCG@10 over LensKit's {theirs:.4f}, both tuned", ratio("ndcg"), "ratio",
            None if quick else 0.98, least=True),
    ]  # fmt: skip
