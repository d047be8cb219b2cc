# SPDX-License-Identifier: Apache-2.0
"""Recommendation: lists on a global split by time, next items, the stages of Table 1, serving."""

from __future__ import annotations

import time
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fits import Fits, found_data
from benchmarks.harness import Row
from benchmarks.recommend_time import films, hours, plain, positives, ranked, time_fits
from heptad.analysis.recommend.judging import judge
from heptad.analysis.recommend.popularity import Popularity
from heptad.analysis.recommend.ranker import Ranker
from heptad.analysis.recommend.signals import moments, people_of
from heptad.analysis.recommend.significance import compare, mean_interval
from heptad.analysis.recommend.splits import at_instant, cold_items, cold_users

if TYPE_CHECKING:
    from collections.abc import Callable


def time_split(*, quick: bool, seed: int) -> list[Row]:
    """NDCG@10 after one instant for everybody, beside baselines tuned on the part before it."""
    if found_data("movielens-1m") is None:
        return []
    fits, each, told = time_fits(quick=quick, seed=seed), {}, {"seed": seed}
    for fit in fits.work:
        name, answer = fit.rpartition("-")[0], fits.get(fit)
        each[name] = {m: np.array(v) for m, v in answer["each"].items()}
        figures = {m: mean_interval(v, seed=seed) for m, v in each[name].items()}
        overall, cpu = answer["overall"], answer["fit_cpu_s"]
        told[name] = {m: str(i) for m, i in figures.items()} | overall | {
            k: v for k, v in answer.items() if k in {"setting", "tuned", "fit_cpu_s"}}  # fmt: skip
        print(
            f"  {name + ', ' + answer['setting']:<34} NDCG@10 {figures['ndcg']}, "
            f"recall {figures['recall'].value:.4f}, gAUC {figures['auc'].value:.4f}, "
            f"coverage {overall['coverage']:.3f}, novelty {overall['novelty']:.2f} bit, "
            f"genres {overall['away from own genres']:.2f} nat, {cpu:.1f} CPU s",
            flush=True,
        )
    ours = each.pop("ours")["ndcg"]
    gains = compare(ours, {n: found["ndcg"] for n, found in each.items()}, seed=seed)
    for name, gain in gains.items():
        print(f"  ours less {name:<34} {gain}", flush=True)
        told[f"ours less {name}"] = str(gain)
    least = min(gain.interval.low for gain in gains.values())
    worst = max(gain.adjusted for gain in gains.values())
    return [
        Row("time_split", f"NDCG@10 of {len(ours)} users after the cut", float(ours.mean()),
            "NDCG", None if quick else 0.185, least=True, detail=told),
        Row("time_gain", f"least gain over a baseline, lower end of its interval, p ≤ {worst:.4f}",
            least, "NDCG", None if quick else 0.0, least=True),
    ]  # fmt: skip


def cold(*, quick: bool, seed: int) -> list[Row]:
    """People of whom three events are known, and items that nobody chose yet, beside popularity."""
    folder = found_data("movielens-1m")
    if folder is None:
        return []
    ids, items = films(folder)
    data = positives(folder, ("train",), ids)
    split = cold_users(data, 0.05 if quick else 0.1, given=3, seed=seed)
    _, scores = ranked(split, items, trees=30 if quick else 80, seed=seed)
    ours, popular = judge(split, scores), judge(split, plain(Popularity())(split))
    gain = compare(ours.each["ndcg"], {"popularity": popular.each["ndcg"]}, seed=seed)["popularity"]
    fresh = cold_items(data, 0.1, seed=seed)
    rate = items.categories / np.maximum(items.categories.sum(axis=1, keepdims=True), 1)
    seen = fresh.train.matrix()
    held_out = np.zeros(data.n_items)
    held_out[np.unique(fresh.test.items)] = 1

    def tastes(rows: Any) -> Any:
        mine = seen[rows] @ rate
        usual = rate[fresh.train.items].mean(axis=0)
        return np.where(held_out > 0, mine / (usual + 1e-3) @ rate.T, -np.inf)

    def chance(rows: Any) -> Any:
        drawn = np.random.default_rng(seed).random((len(rows), data.n_items))
        return np.where(held_out > 0, drawn, -np.inf)

    by_taste, by_chance = judge(fresh, tastes), judge(fresh, chance)
    new = compare(by_taste.each["auc"], {"chance": by_chance.each["auc"]}, seed=seed)["chance"]
    print(f"  cold users: ours {ours.mean('ndcg'):.4f}, popularity {popular.mean('ndcg'):.4f}, {gain}\n"
          f"  cold items by genres: gAUC {by_taste.mean('auc'):.4f}, chance "
          f"{by_chance.mean('auc'):.4f}, {new}", flush=True)  # fmt: skip
    return [
        Row("cold_users_list", f"NDCG@10 less popularity's, {len(ours.users)} people with 3 events, lower end",
            gain.interval.low, "NDCG", 0.0, least=True, detail={"gain": str(gain)}),
        Row("cold_items_list", "gAUC among items nobody chose, less chance, lower end", new.interval.low,
            "AUC", 0.0, least=True, detail={"gain": str(new)}),
    ]  # fmt: skip


def table1(*, quick: bool, seed: int) -> list[Row]:
    """Table 1 of the paper on corporate fintech with measured values: recall beside sorting."""
    folder = found_data("movielens-1m")
    if folder is None:
        return []
    ids, items = films(folder)
    whole = positives(folder, ("train", "val", "test"), ids)
    split = at_instant(whole, int(positives(folder, ("test",), ids).times.min()))
    model, scores = ranked(split, items, trees=30 if quick else 80, seed=seed)
    some = split.rows[:200]
    people = people_of(split.train, some, {"hour": np.zeros(len(some), dtype=int)})
    start = time.process_time()
    found = model.recall(people).items
    recall_us = (time.process_time() - start) / found.shape[0] / len(ids) * 1e6
    start = time.process_time()
    model.score(people, found)
    sort_us = (time.process_time() - start) / found.size * 1e6
    signals = model.signals_
    weights = sum(
        m.weights_.size if hasattr(m, "weights_") else m.items_.size
        for m in signals.models_.values()
    )
    leaves = sum(t["num_leaves"] for t in model.booster_.dump_model()["tree_info"])
    recall = Ranker(trees=0)
    recall.signals_ = signals
    votes = judge(split, lambda r: recall.scores(people_of(split.train, r, {})))
    both = judge(split, scores)
    after, every = hours(split.test), np.arange(len(ids))

    def unrecalled(rows: Any) -> Any:
        """Sort all there is, as if nothing had been recalled."""
        found = people_of(split.train, rows, moments(split.test, rows, after))
        return model.score(found, np.tile(every, (len(rows), 1)))

    sorting = judge(split, unrecalled)
    lines = [
        ("", "recall", "sorting"),
        ("candidates", f"{len(ids):,}", f"{found.shape[1]:,}"),
        ("models", f"{len(signals.models_)} + popularity", f"{model.booster_.num_trees()} trees"),
        ("parameters", f"{weights:,}", f"{leaves:,} leaves"),
        ("features", "items chosen", f"{len(signals.names)}"),
        ("CPU µs a candidate", f"{recall_us:.3f}", f"{sort_us:.2f}"),
        ("NDCG@10 alone", f"{votes.mean('ndcg'):.4f}", f"{sorting.mean('ndcg'):.4f}"),
        ("NDCG@10 together", "", f"{both.mean('ndcg'):.4f}"),
    ]
    for line in lines:
        print(f"  {line[0]:<20} {line[1]:>18} {line[2]:>22}", flush=True)
    return [Row("table1", "sorting's CPU µs a candidate over recall's", sort_us / recall_us, "ratio",
                detail={"table": lines})]  # fmt: skip


ROWS: dict[str, Callable[..., list[Row]]] = {
    "time_split": time_split,
    "cold_lists": cold,
    "table1": table1,
}
if find_spec("benchmarks.recommend_models") and find_spec("torch"):
    MODELS = import_module("benchmarks.recommend_models")
    ROWS |= MODELS.ROWS


def fits(*, quick: bool, seed: int) -> list[Fits]:
    """All long trainings of this area, for `python -m benchmarks.fits`."""
    makers = [time_fits, *(MODELS.FITS if "clicks" in ROWS else ())]
    return [make(quick=quick, seed=seed) for make in makers]
