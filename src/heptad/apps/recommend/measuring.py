# SPDX-License-Identifier: Apache-2.0
"""What came of the lists: hits by cohort and variant, what was exposed, what was left out and why."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.recommend.judging import gini
from heptad.apps.recommend.decide import PURPOSE, WHY
from heptad.apps.recommend.tables import Item, ListFigure
from heptad.standards.model import Interaction
from heptad.standards.time import day, format_instant, micros, parse_instant, second

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from heptad.service.decisions.decision import Decision

APP, PAGE = "recommend", 500
BACK, AFTER = 28 * day, 7 * day
"""How long back lists are measured, and how long after each an act with an item of it counts."""
TOP = 50
"""Items of which the exposure is told, the most shown."""
FEW = 5
"""Events from which on a history counts as long."""


@dataclass(frozen=True)
class Shown:
    """One list as it was decided.

    Attributes:
        customer: who looked.
        at: when, microseconds.
        items: item → probability with which it was shown, best first.
        left: code → items that it left out.
        events: of the history then; `profile` the risk class borne, "" without one.
        variant: whose list it was: `champion`, `challenger` or "" without a ranker.
        shadow: items that the other one would have shown; none where none was asked.
    """

    customer: str
    at: int
    items: Mapping[str, float]
    left: Mapping[str, int] = field(default_factory=dict)
    events: int = 0
    profile: str = ""
    variant: str = ""
    shadow: Sequence[str] = ()

    @classmethod
    def of(cls, made: Decision) -> Shown:
        """Read a decision of this application."""
        slate = json.loads(str(made.row.get("slate") or "{}"))
        items = {
            str(r.numbers["item"]): float(r.numbers["propensity"])  # type: ignore[arg-type]
            for r in made.reasons if r.code in WHY
        }  # fmt: skip
        left = {
            r.code: int(r.numbers["items"])  # type: ignore[arg-type]
            for r in made.reasons if r.code not in WHY and "items" in r.numbers
        }  # fmt: skip
        known = made.features
        return cls(
            str(made.row["customer"]), made.event_time, items, left,
            int(known.get("events") or 0), str(known.get("profile") or ""),
            str(slate.get("variant") or ""), [str(i) for i in slate.get("shadow") or []],
        )  # fmt: skip

    @property
    def cohorts(self) -> tuple[str, ...]:
        """The groups that this list is counted in."""
        known = "nothing known" if not self.events else "short" if self.events < FEW else "long"
        return ("everybody", f"history {known}", f"profile {self.profile or 'not known'}")


def measure(platform: Any, date: str) -> Mapping[str, Any]:
    """Store the figures of a day's end; done again it comes to the same."""
    end = parse_instant(f"{date}T00:00:00Z") + day - second
    asked = {"purpose": PURPOSE, "role": "app", "who": f"{APP}.measure"}
    lists = [Shown.of(d) for d in _decided(platform, end - BACK, end)]
    rows = platform.read(Interaction.__name__, end, **asked).to_pylist()
    acts: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        if row["action"] != "dismiss":
            acts[str(row["customer"])].append((_micros(row["event_time"]), str(row["item"])))
    offered = len(platform.read(Item.__name__, end, **asked))
    made = [
        {"id": f"{date} {r['report']} {r['series']} {r['at']}", "event_time": format_instant(end),
         **{k: v if isinstance(v, str | int) else f"{v:.6f}" for k, v in r.items()}}
        for r in figures(lists, acts, offered)
    ]  # fmt: skip
    if made:
        platform.store(ListFigure.__name__, made, source=f"{APP}.measure")
    return {"lists": len(lists), "figures": len(made)}


def _micros(value: Any) -> int:
    return value if isinstance(value, int) else micros(value)


def _decided(platform: Any, since: int, until: int) -> Iterator[Decision]:
    """Yield the decisions of what happened in a time, the latest first."""
    cursor = None
    while True:
        page = platform.catalog.decisions.page(app=APP, until=until, cursor=cursor, limit=PAGE)
        opened = platform.log.stored(entry.id for entry in page.entries)
        for entry in page.entries:
            made = opened[entry.id].decision
            if made is not None and made.event_time > since:
                yield made
        cursor = page.cursor
        if cursor is None or page.entries[-1].event_time <= since:
            return


def figures(
    lists: Sequence[Shown], acts: Mapping[str, Sequence[tuple[int, str]]], offered: int
) -> Iterator[dict[str, Any]]:
    """Yield figures as report, series, at, value, unit, n, and low and high where there is an interval.

    Args:
        lists: what was shown.
        acts: customer → (instant, item) of what they chose.
        offered: items on offer.
    """
    judged = [(one, _judged(one, acts.get(one.customer, ()))) for one in lists if one.items]
    yield from _cohorts(judged)
    yield from _variants(judged)
    yield from _exposure(lists, offered)
    left = Counter[str]()
    for one in lists:
        left.update(one.left)
    for code, n in sorted(left.items()):
        yield _row("left_out", code, "a list", n / len(lists), "items", len(lists))


def _judged(one: Shown, acts: Iterable[tuple[int, str]]) -> dict[str, float]:
    """Compare a list with what its reader chose in the week after it."""
    chosen = {item for at, item in acts if one.at < at <= one.at + AFTER}
    hits = np.array([item in chosen for item in one.items])
    discount = 1 / np.log2(np.arange(max(len(hits), len(chosen), 1)) + 2)
    ideal = discount[: min(len(chosen), len(hits))].sum()
    weight = 1 / np.array(list(one.items.values()))
    found = {
        "hit": float(hits.any()),
        "ndcg": float(hits @ discount[: len(hits)] / ideal) if ideal else 0.0,
        # What is drawn rarely stands for the many lists in which it was not.
        "taken, by propensity": float(hits @ weight / weight.sum()),
    }
    if one.shadow:
        found["hit of the shadow"] = float(any(item in chosen for item in one.shadow))
        both = len(set(one.shadow) & set(one.items))
        found["shadow in common"] = both / max(len(one.shadow), 1)
    return found


def _cohorts(judged: Sequence[tuple[Shown, Mapping[str, float]]]) -> Iterator[dict[str, Any]]:
    each: dict[tuple[str, str], list[float]] = defaultdict(list)
    for one, found in judged:
        for cohort in one.cohorts:
            for metric, value in found.items():
                each[metric, cohort].append(value)
    for (metric, cohort), values in sorted(each.items()):
        yield _row("cohort", metric, cohort, *_mean(values), n=len(values))


def _variants(judged: Sequence[tuple[Shown, Mapping[str, float]]]) -> Iterator[dict[str, Any]]:
    """Set what the champion's lists and the challenger's came to side by side."""
    for metric in ("hit", "ndcg"):
        each = {
            name: [found[metric] for one, found in judged if one.variant == name]
            for name in ("champion", "challenger")
        }
        if not each["challenger"]:
            continue
        for name, values in each.items():
            if values:
                yield _row("variant", metric, name, *_mean(values), n=len(values))
        mine, theirs = each["challenger"], each["champion"]
        if min(len(mine), len(theirs)) > 1:
            gap = float(np.mean(mine) - np.mean(theirs))
            half = 1.96 * float(np.sqrt(_of_mean(mine) + _of_mean(theirs)))
            yield _row("variant", metric, "challenger less champion", gap, "share",
                       len(mine) + len(theirs), gap - half, gap + half)  # fmt: skip


def _exposure(lists: Sequence[Shown], offered: int) -> Iterator[dict[str, Any]]:
    counts = Counter(item for one in lists for item in one.items)
    total = sum(counts.values())
    if not total:
        return
    spread = np.array([*counts.values(), *[0] * max(0, offered - len(counts))])
    yield _row(
        "exposure", "items ever shown", "all", len(counts) / max(offered, 1), "share", offered
    )
    yield _row("exposure", "unevenness (Gini)", "all", gini(spread), "share", total)
    for item, n in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP]:
        yield _row("showings", "share of all showings", item, n / total, "share", n)


def _mean(values: Sequence[float]) -> tuple[float, str]:
    return float(np.mean(values)), "share"


def _of_mean(values: Sequence[float]) -> float:
    return float(np.var(values, ddof=1)) / len(values)


def _row(  # noqa: PLR0913, PLR0917 - the columns of a figure
    report: str, series: str, at: str, value: float, unit: str, n: int,
    low: float | None = None, high: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    found = {"report": report, "series": series, "at": at, "value": value, "unit": unit, "n": n}
    return found | ({} if low is None or high is None else {"low": low, "high": high})
