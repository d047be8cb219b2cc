# SPDX-License-Identifier: Apache-2.0
"""Lists of films after one instant for everybody: ours, and baselines tuned on what came before."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fits import Fits, found_data
from heptad.analysis.recommend.factors import Factors
from heptad.analysis.recommend.interactions import Interactions
from heptad.analysis.recommend.judging import judge, miscalibration
from heptad.analysis.recommend.linear import Ease, Neighbours
from heptad.analysis.recommend.popularity import Popularity
from heptad.analysis.recommend.ranker import Ranker
from heptad.analysis.recommend.signals import Items, moments, people_of
from heptad.analysis.recommend.splits import at_instant, leaks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from heptad.analysis.recommend.splits import Split

FILES = (
    "movielens-1m/movies.dat",
    *(f"movielens-1m/time_split/{p}_positives.parquet" for p in ("train", "val", "test")),
)
HOUR = 3_600_000_000


def films(folder: Path) -> tuple[list[int], Items]:
    """The films of MovieLens-1M: their ids, genres and years."""
    lines = [x.split("::") for x in (folder / "movies.dat").read_text("latin-1").splitlines()]
    names = sorted({g for line in lines for g in line[2].split("|")})
    genres = np.array([[g in line[2].split("|") for g in names] for line in lines], dtype=float)
    years = [float(re.findall(r"\((\d{4})\)", line[1])[-1]) for line in lines]
    return [int(line[0]) for line in lines], Items(genres, np.array(years))


def positives(folder: Path, parts: tuple[str, ...], ids: list[int]) -> Interactions:
    """The published split by time, of ratings of 4 and more."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    read = [pq.read_table(folder / "time_split" / f"{p}_positives.parquet") for p in parts]
    rows = pa.concat_tables(read)
    who, what, when = (rows.column(c).to_numpy() for c in ("user_id", "movie_id", "timestamp"))
    return Interactions.of(
        who, np.searchsorted(ids, what), when * 1_000_000, n_users=6041, n_items=len(ids)
    )


def hours(data: Interactions) -> dict[str, Any]:
    """Return the context of each event: the part of the day, four hours long."""
    return {"hour": data.times // HOUR % 24 // 4}


def ranked(split: Split, items: Items, **settings: Any) -> tuple[Ranker, Callable[..., Any]]:
    """Our ranker on what was before, and its scores at each user's first moment afterwards."""
    model = Ranker(**settings).fit(split.train, items, hours(split.train))
    after = hours(split.test)
    return model, lambda r: model.scores(people_of(split.train, r, moments(split.test, r, after)))


def plain(model: Any) -> Callable[[Split], Callable[..., Any]]:
    """Return what fits a model to a split and gives its scores."""

    def fitted(split: Split) -> Callable[..., Any]:
        seen, made = split.train.matrix(), model.fit(split.train)
        return lambda r: made.scores(seen[r])

    return fitted


BASELINES: dict[str, list[tuple[str, Callable[[], Any]]]] = {
    "popularity": [(f"half-life {h} d", lambda h=h: Popularity(h)) for h in (None, 7.0, 30.0)],
    "neighbours": [(f"shrink {s:g}", lambda s=s: Neighbours(shrink=s)) for s in (5.0, 20.0, 100.0)],
    "ease": [(f"reg {r:g}", lambda r=r: Ease(r)) for r in (200.0, 500.0, 1500.0)],
    "ials": [
        (f"reg {r:g}, unobserved {a:g}", lambda r=r, a=a: Factors(64, r, a))
        for r, a in ((0.003, 0.1), (0.01, 0.3), (0.02, 1.0))
    ],
}  # fmt: skip
"""Each baseline with what it is tuned over, on what came before the test."""


def _timed_data() -> tuple[Any, Any, Items]:
    """The split to tune on, that to judge on, and the films."""
    folder = found_data("movielens-1m")
    assert folder is not None
    ids, items = films(folder)
    before = positives(folder, ("train", "val"), ids)
    tuning = at_instant(before, int(positives(folder, ("val",), ids).times.min()))
    whole = positives(folder, ("train", "val", "test"), ids)
    split = at_instant(whole, int(positives(folder, ("test",), ids).times.min()))
    assert not leaks(split), leaks(split)
    return tuning, split, items


def _tuned_baseline(name: str, _keep: Path) -> dict[str, Any]:
    """A baseline as it is best on the part before the test, judged on the test."""
    tuning, split, items = _timed_data()
    settings = BASELINES[name]
    tried = {said: judge(tuning, plain(make())(tuning)).mean("ndcg") for said, make in settings}
    best = max(tried, key=lambda said: tried[said])
    start = time.process_time()
    scores = plain(dict(settings)[best]())(split)
    told = {"setting": best, "tuned": tried, "fit_cpu_s": time.process_time() - start}
    return told | _judged(split, items, scores)


def _ours_in_time(trees: int, seed: int, _keep: Path) -> dict[str, Any]:
    _, split, items = _timed_data()
    start = time.process_time()
    _, scores = ranked(split, items, trees=trees, seed=seed)
    told = {"setting": f"{trees} trees", "fit_cpu_s": time.process_time() - start}
    return told | _judged(split, items, scores)


def _judged(split: Split, items: Items, scores: Callable[..., Any]) -> dict[str, Any]:
    found = judge(split, scores)
    genres = items.categories / np.maximum(items.categories.sum(axis=1, keepdims=True), 1)
    away = miscalibration(found.lists, split.train.matrix()[split.rows], genres).mean()
    return {
        "each": {name: np.round(values, 6).tolist() for name, values in found.each.items()},
        "overall": dict(found.overall) | {"away from own genres": float(away)},
    }


def time_fits(*, quick: bool, seed: int) -> Fits:
    """Each tuned baseline, the votes of recall alone, and ours."""
    work = {f"{name}-{seed}": partial(_tuned_baseline, name) for name in BASELINES}
    work[f"votes-{seed}"] = partial(_ours_in_time, 0, seed)
    work[f"ours-{seed}"] = partial(_ours_in_time, 30 if quick else 80, seed)
    return Fits("time_split", work, "benchmarks.recommend_time", *FILES, quick=quick)
