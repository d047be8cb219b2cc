# SPDX-License-Identifier: Apache-2.0
"""The last purchase of everybody in Amazon Beauty, as a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.fits import found_data
from benchmarks.harness import Row
from benchmarks.recommend_next import next_fits
from heptad.analysis.recommend.significance import compare, mean_interval


def next_item(*, quick: bool, seed: int) -> list[Row]:
    """NDCG@10 of the net that was best on the tuned event, beside what follows and others."""
    if found_data("amazon-sequences/Beauty.txt") is None:
        return []
    fits = next_fits(quick=quick, seed=seed)
    each = {name: fits.get(name) for name in fits.work}
    nets = {name: answer for name, answer in each.items() if "mixed" in answer}
    best = max(nets, key=lambda name: max(nets[name]["tuned"].values()))
    found = {n: a for n, a in each.items() if n not in nets}
    found |= {"self-attention": nets[best]["alone"], "ours": nets[best]["mixed"]}
    ndcg = {name: np.array(answer["ndcg"]) for name, answer in found.items()}
    ours = ndcg.pop("ours")
    gains = compare(ours, ndcg, seed=seed)
    told: dict[str, Any] = {"net": best, "share of what follows": nets[best]["share"]}
    for name, answer in found.items():
        values = np.array(answer["ndcg"])
        told[name] = {"ndcg": str(mean_interval(values, seed=seed))} | {
            k: v for k, v in answer.items() if k != "ndcg"}  # fmt: skip
        print(f"  {name:<16} NDCG@10 {told[name]['ndcg']}, hit {answer['hit']:.4f}; with seen items "
              f"left in {answer['seen items left in']:.4f}", flush=True)  # fmt: skip
    told |= {f"ours less {name}": str(gain) for name, gain in gains.items()}
    told["tuned"] = {name: max(a["tuned"].values()) for name, a in nets.items()}
    told["losses"] = nets[best]["losses"]
    again = found["ours"]["seen items left in"]
    return [
        Row("next_item", f"NDCG@10 among unseen items, {len(ours):,} users; seen left in {again:.4f}",
            float(ours.mean()), "NDCG", None if quick else 0.0531, least=True, detail=told),
    ]  # fmt: skip
