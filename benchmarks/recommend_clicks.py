# SPDX-License-Identifier: Apache-2.0
"""Who likes which film next: rankers on 100,004 dated ratings beside FuxiCTR."""

from __future__ import annotations

import os
import sys
import time
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fits import Fits, torch_threads
from benchmarks.harness import ROOT
from benchmarks.peer import ask
from heptad.analysis.calibration import Beta
from heptad.analysis.evaluation import ece, log_loss
from heptad.analysis.recommend.neural.rows import Field, Schema

if TYPE_CHECKING:
    from pathlib import Path

    from heptad.analysis.arrays import Array, Codes

PEER = tuple(ROOT / "benchmarks" / "peers" / "fuxictr" / n for n in ("peer.py", "requirements.txt"))
"""What FuxiCTR's answers, and the table, come from."""
TABLE = ROOT / "benchmarks" / "data" / "dslabs-movielens.npz"
LENGTH, SIZE, LAYERS = 50, 16, (64, 32)
LIKED = 4.0
COUNTED = ("user_share", "user_count", "item_share", "item_count", "kin")


def dated(quick: bool) -> dict[str, Any]:
    """The ratings of dslabs::movielens in order of time, as columns of codes; genres as lists."""
    held = _table()
    order = np.lexsort((np.arange(len(held["time"])), held["time"]))
    if quick:
        order = order[: len(order) // 5]
    columns: dict[str, Any] = {n: held[n][order] for n in ("user", "film", "time", "rating")}
    _, columns["user"] = np.unique(columns["user"], return_inverse=True)
    films, columns["item"] = np.unique(columns["film"], return_inverse=True)
    first = dict(zip(held["film"].tolist(), held["genres"].tolist(), strict=True))
    columns["genre_of_item"] = _genres([first[f] for f in films.tolist()])
    columns["liked"] = (columns["rating"] >= LIKED).astype(np.int64)
    return columns


def _table() -> dict[str, Any]:
    """The table as arrays, asked of its package once and then read from a file."""
    if not TABLE.exists():
        TABLE.parent.mkdir(exist_ok=True)
        new = TABLE.with_name(f".{os.getpid()}.npz")
        np.savez_compressed(new, **ask("fuxictr", "movielens"))
        new.replace(TABLE)
    with np.load(TABLE) as file:
        return {name: file[name] for name in file.files}


def _genres(texts: list[str]) -> Codes:
    lists = [[g for g in text.split("|") if g and g[0] != "("] for text in texts]
    number = {g: i for i, g in enumerate(sorted({g for genres in lists for g in genres}))}
    codes = np.full((len(lists), max(map(len, lists))), -1)
    for row, genres in enumerate(lists):
        codes[row, : len(genres)] = [number[g] for g in genres]
    return codes


def rows_of(columns: dict[str, Any]) -> dict[str, Any]:
    """What a ranker may read of each rating: nothing of its own instant or later.

    `held` is what the user liked before, newest last. The numbers count what was before: the
    user's and the film's share of likes and how many, and the share of the user's likes in the
    film's genres.
    """
    n, user, item = len(columns["user"]), columns["user"], columns["item"]
    held = np.full((n, LENGTH), -1)
    kin = np.zeros(n)
    genres = columns["genre_of_item"]
    hot = np.zeros((len(genres), genres.max() + 1))
    rows, places = np.nonzero(genres >= 0)
    hot[rows, genres[rows, places]] = 1
    hot /= np.maximum(hot.sum(1, keepdims=True), 1)
    known: dict[int, list[int]] = {}
    taste = np.zeros((user.max() + 1, hot.shape[1]))
    met = np.zeros((user.max() + 1, hot.shape[1]))
    starts = np.flatnonzero(np.diff(columns["time"], prepend=-1))
    for start, end in zip(starts, np.append(starts[1:], n), strict=True):
        for row in range(start, end):
            u = int(user[row])
            last = known.get(u, [])[-LENGTH:]
            held[row, LENGTH - len(last) :] = last
            kin[row] = hot[item[row]] @ ((taste[u] + 1) / (met[u] + 2))
        for row in range(start, end):
            u = int(user[row])
            met[u] += hot[item[row]]
            if columns["liked"][row]:
                known.setdefault(u, []).append(int(item[row]))
                taste[u] += hot[item[row]]
    shares = {"kin": kin}
    for name, codes in (("user", user), ("item", item)):
        count, liked = _before(codes, columns["time"], columns["liked"])
        shares[f"{name}_count"] = np.log1p(count)
        shares[f"{name}_share"] = (liked + 0.5 * 4) / (count + 4)
    return {
        "user": user, "item": item, "genre": genres[item], "held": held,
        "hour": columns["time"] // 3600 % 24, **shares,
    }  # fmt: skip


def _before(codes: Codes, instant: Codes, liked: Codes) -> tuple[Array, Array]:
    """How many rows of the same code lie at an earlier instant, and how many of them were liked."""
    order = np.lexsort((instant, codes))
    c, t = codes[order], instant[order]
    seen = np.arange(len(c)) - np.searchsorted(c, c)
    sums = np.concatenate([[0], np.cumsum(liked[order])])
    first = np.flatnonzero(np.r_[True, (c[1:] != c[:-1]) | (t[1:] != t[:-1])])
    begin = first[np.searchsorted(first, np.arange(len(c)), side="right") - 1]
    whole = np.searchsorted(c, c)
    count, good = np.empty(len(c)), np.empty(len(c))
    count[order] = seen[begin]
    good[order] = sums[begin] - sums[whole]
    return count, good


def schema_of(columns: dict[str, Any], counted: bool) -> Schema:
    """The columns of all rankers; with `counted` also the numbers."""
    items = len(columns["genre_of_item"])
    fields = (
        Field("user", int(columns["user"].max()) + 1),
        Field("item", items),
        Field("genre", int(columns["genre_of_item"].max()) + 1, many=True),
        Field("held", items, table="item", many=True),
        Field("hour", 24),
    )
    return Schema(fields + tuple(Field(name) for name in COUNTED) * counted)


MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "wide_deep": ("Wide & Deep of paper 000", {"kind": "wide_deep"}),
    "wide": ("its wide part alone", {"kind": "wide"}),
    "deep": ("its deep part alone", {"kind": "deep"}),
    "din": ("DIN of paper 000, ReLU as written", {"kind": "din"}),
    "din_dice": ("the same with Dice", {"kind": "din", "act": "dice"}),
    "cross": ("ours: DCN V2 over DIN's interest", {"kind": "cross"}),
    "counted": ("ours with the past counted", {"kind": "cross", "counted": True}),
}
GRID = ({"dropout": 0.2, "reg": 1e-3}, {"dropout": 0.4, "reg": 1e-2})
PEERS = {"fuxi_wide_deep": "FuxiCTR's Wide & Deep", "fuxi_din": "FuxiCTR's DIN"}


def split_rows(rows: dict[str, Any]) -> list[dict[str, Any]]:
    """80/10/10 by time."""
    n = len(rows["item"])
    cuts = [0, n * 8 // 10, n * 9 // 10, n]
    return [{k: v[a:b] for k, v in rows.items()} for a, b in pairwise(cuts)]


@cache
def data_of(quick: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the columns of all ratings, and the rows of the three parts."""
    torch_threads()
    columns = dated(quick)
    return columns, split_rows(rows_of(columns) | {"y": columns["liked"]})


def clicks_fits(*, quick: bool, seed: int) -> Fits:
    """Every ranker of ours and of FuxiCTR's."""
    work = {f"{name}-{seed}": partial(_ours, name, seed, quick) for name in MODELS}
    work |= {f"{name}-{seed}": partial(_peer, name, seed, quick) for name in PEERS}
    return Fits("clicks", work, "benchmarks.recommend_clicks", *PEER, quick=quick)


def _ours(name: str, seed: int, quick: bool, _keep: Path) -> dict[str, Any]:
    from heptad.analysis.recommend.neural.ranker import Ranker
    from heptad.analysis.recommend.neural.training import Schedule

    columns, parts = data_of(quick)
    settings = dict(MODELS[name][1])
    schema = schema_of(columns, settings.pop("counted", False))
    start, best = time.process_time(), None
    for given in GRID:
        model = Ranker(
            schema, **settings, **given, embedding_size=SIZE, layers=LAYERS, epochs=10, patience=2,
            schedule=Schedule(1024, 1e-3), seed=seed,
        )  # fmt: skip
        model.fit(parts[0], parts[0]["y"], (parts[1], parts[1]["y"]), progress=_tell)
        least = min(e.held_out for e in model.told_)
        if best is None or least < best[0]:
            best = (least, model, given)
    assert best is not None
    scores = best[1].score(parts[2], {}, {})
    chance = Beta.fit(_chance(best[1].score(parts[1], {}, {})), parts[1]["y"]).predict(
        _chance(scores)
    )
    y = parts[2]["y"]
    return {
        "scores": np.round(scores, 6).tolist(),
        "settings": best[2],
        "epochs": len(best[1].told_),
        "cpu_s": time.process_time() - start,
        "parameters": sum(p.numel() for p in best[1].net_.parameters()),
        "log_loss": log_loss(y, chance),
        "ece": ece(y, _chance(scores)),
        "ece_calibrated": ece(y, chance),
    }


def _tell(epoch: Any) -> None:
    print(f"    {epoch.number:3d} {epoch.seconds:6.1f} s  {epoch.loss:.4f}  {epoch.held_out:.4f}", file=sys.stderr, flush=True)  # fmt: skip


def _chance(odds: Array) -> Array:
    return np.clip(1 / (1 + np.exp(-odds)), 1e-6, 1 - 1e-6)


def _peer(name: str, seed: int, quick: bool, _keep: Path) -> dict[str, Any]:
    """FuxiCTR's layers and training on the same columns; its penalty chosen on the same rows."""
    columns, parts = data_of(quick)
    arrays = {
        f"{k}_{i}": (part[k] + 1 if k != "y" else part[k])
        for i, part in enumerate(parts) for k in ("user", "item", "genre", "held", "hour", "y")
    }  # fmt: skip
    sizes = {f.name: f.size for f in schema_of(columns, False).fields}
    answer = ask(
        "fuxictr", name.removeprefix("fuxi_"), **arrays, seed=seed, size=SIZE, layers=np.array(LAYERS),
        names=np.array(list(sizes)), sizes=np.array(list(sizes.values())),
    )  # fmt: skip
    y = parts[2]["y"]
    return {
        "scores": np.round(answer["scores"].astype(np.float64), 6).tolist(),
        "settings": {"embedding_regularizer": float(answer["reg"])},
        "cpu_s": float(answer["seconds"]),
        "parameters": int(answer["parameters"]),
        "log_loss": log_loss(y, _chance(answer["scores"].astype(np.float64))),
    }
