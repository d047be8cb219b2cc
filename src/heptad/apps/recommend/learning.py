# SPDX-License-Identifier: Apache-2.0
"""Learn a ranker from what customers did, judge it on what came later, and register it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.recommend.interactions import Interactions
from heptad.analysis.recommend.judging import judge
from heptad.analysis.recommend.linear import Neighbours
from heptad.analysis.recommend.popularity import Popularity
from heptad.analysis.recommend.ranker import Ranker
from heptad.analysis.recommend.signals import Items, moments, people_of
from heptad.analysis.recommend.significance import compare, mean_interval
from heptad.analysis.recommend.splits import by_time, leaks
from heptad.analysis.recommend.storing import to_bytes
from heptad.apps.recommend.decide import PURPOSE, quotas_of
from heptad.apps.recommend.shelf import Shelf
from heptad.apps.recommend.tables import Item
from heptad.standards.errors import ContractError, suggest
from heptad.standards.model import Interaction
from heptad.standards.model.people import CHANNELS
from heptad.standards.time import micros, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.analysis.arrays import Codes


APP = "recommend"
FEWEST = 100
"""Fewest events to learn from."""
HOUR, PARTS = 3_600_000_000, 6
"""Microseconds of an hour, and parts of the day that are told apart."""
_CHANNELS = {name: code for code, name in enumerate(sorted(CHANNELS))}


def hour_of(instant: object) -> int:
    """Return the part of the day of an instant, 0 to 5; UTC."""
    if isinstance(instant, str):
        instant = parse_instant(instant)
    at = micros(instant) if isinstance(instant, datetime) else int(str(instant))
    return at // HOUR % 24 * PARTS // 24


def moment(hour: int, channel: object) -> dict[str, int]:
    """Return the context of a moment as codes; -1 where it is not known."""
    return {"hour": hour, "channel": _CHANNELS.get(str(channel), -1)}


def learn(platform: Any, date: str) -> Mapping[str, Any]:
    """Register a candidate ranker; somebody approves it before it recommends.

    Raises:
        ContractError: if there are too few events to learn from, or a quota limits what no item is.
    """
    asked = {"purpose": PURPOSE, "role": "app", "who": f"{APP}.learn"}
    shelf = Shelf.of(platform.read(Item.__name__, **asked).to_pylist())
    data, context, people = gathered(platform.read(Interaction.__name__, **asked), shelf)
    if len(data) < FEWEST or not len(shelf):
        raise ContractError(
            f"There are {len(data)} events with items on offer to learn from.",
            got=len(data),
            do=f"load at least {FEWEST} rows of Interaction whose item is an id of Item",
        )
    items = Items(shelf.categories, shelf.numbers)
    policy = platform.desk.policy(platform.app(APP))
    for name in quotas_of(policy):
        if name not in shelf.names:
            raise ContractError(
                f"The policy value quotas limits {name!r}, a category of no item.",
                got=name,
                do=suggest(name, shelf.names),
            )
    epochs = int(policy["sequence"])
    metrics = judged(data, items, context, sequence=epochs)
    ranker = Ranker(kept=100, sequence=epochs).fit(data, items, context)
    told = {"items": [str(row["id"]) for row in shelf.items], "categories": shelf.names}
    versions = {t.__name__: platform.lake.version(t.__name__) for t in (Item, Interaction)}
    model = platform.catalog.models.register(
        f"{APP}-ranker",
        APP,
        to_bytes(ranker, told),
        trainer=f"{APP}.learn",
        metrics=metrics,
        window=(int(data.times.min()), int(data.times.max())),
        versions=versions,
        settings={"date": date, "seed": ranker.seed, "sequence": epochs},
    )
    found = metrics.get("ours", {}).get("ndcg", {})
    return {"model": model.id, "events": len(data), "customers": people, "ndcg": found.get("value")}


def gathered(rows: Any, shelf: Shelf) -> tuple[Interactions, dict[str, Codes], int]:
    """Return the events with items on offer, their contexts in the same order, and how many people."""
    columns = {
        n: rows.column(n).to_pylist()
        for n in ("customer", "item", "action", "channel", "event_time")
    }
    kept = [
        i for i, (item, action) in enumerate(zip(columns["item"], columns["action"], strict=True))
        if item in shelf.codes and action != "dismiss"
    ]  # fmt: skip
    times = np.array([columns["event_time"][i] for i in kept], dtype=np.int64)
    # The order of Interactions: by time, equal instants as they came.
    kept = [kept[i] for i in np.argsort(times, kind="stable")]
    times = np.sort(times, kind="stable")
    who = sorted({columns["customer"][i] for i in kept})
    code = {name: n for n, name in enumerate(who)}
    data = Interactions.of(
        [code[columns["customer"][i]] for i in kept],
        [shelf.codes[columns["item"][i]] for i in kept],
        times, n_users=len(who), n_items=len(shelf),
    )  # fmt: skip
    channels = np.array(
        [_CHANNELS.get(str(columns["channel"][i]), -1) for i in kept], dtype=np.int64
    )
    return data, {"hour": times // HOUR % 24 * PARTS // 24, "channel": channels}, len(who)


def judged(
    data: Interactions,
    items: Items,
    context: Mapping[str, Codes],
    *,
    n: int = 10,
    sequence: int = 0,
) -> dict[str, Any]:
    """Fit on the earlier nine tenths and measure on the last; nothing where nobody is left to judge."""
    split = by_time(data)
    if not len(split.rows):
        return {}
    seen = len(split.train)
    ranker = Ranker(kept=100, sequence=sequence).fit(
        split.train, items, {c: v[:seen] for c, v in context.items()}
    )
    popular, near = Popularity().fit(split.train), Neighbours().fit(split.train)
    before = split.train.matrix()
    after = {name: codes[seen:] for name, codes in context.items()}
    ours = judge(
        split,
        lambda r: ranker.scores(people_of(split.train, r, moments(split.test, r, after))),
        n=n,
    )
    others = {
        "popularity": judge(split, lambda r: popular.scores(before[r]), n=n),
        "neighbours": judge(split, lambda r: near.scores(before[r]), n=n),
    }
    told: dict[str, Any] = {
        name: {
            **{m: asdict(mean_interval(v)) | {"n": len(split.rows)} for m, v in found.each.items()},
            **found.overall,
        }
        for name, found in {"ours": ours, **others}.items()
    }
    gains = compare(ours.each["ndcg"], {name: o.each["ndcg"] for name, o in others.items()})
    told["gain"] = {name: asdict(gain) for name, gain in gains.items()}
    return told | {"leaks": leaks(split)}
