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
from heptad.service.decisions.past import decided
from heptad.service.reads.asking import asking
from heptad.service.reads.guard import APPLICATION
from heptad.standards.model import Interaction
from heptad.standards.time import day, format_instant, parse_instant, second

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from heptad.service.decisions.decision import Decision

APP = "recommend"
BACK, AFTER = 28 * day, 7 * day
"""How long back lists are measured, and how long after each an act with an item of it counts."""
TOP = 50
"""Items of which the exposure is told, the most shown."""
FEW = 5
"""Events from which on a history counts as long."""
ACTS = "SELECT customer, item, event_time FROM rows WHERE action IS DISTINCT FROM 'dismiss'"


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
    who, since = f"{APP}.measure", end - BACK
    lists = decided(platform, APP, Shown.of, since=since, until=end, who=who)
    acts: dict[str, list[tuple[int, str]]] = defaultdict(list)
    with asking(platform, end, role=APPLICATION, purpose=PURPOSE, who=who) as ask:
        for row in ask(Interaction, f"{ACTS} AND event_time > {since}"):
            acts[row["customer"]].append((row["event_time"], row["item"]))
        offered = ask(Item, "SELECT count(*) AS n FROM rows")[0]["n"]
    made = [
        {"id": f"{date} {r['report']} {r['series']} {r['at']}", "event_time": format_instant(end),
         **{k: v if isinstance(v, str | int) else f"{v:.6f}" for k, v in r.items()}}
        for r in figures(lists, acts, offered, end)
    ]  # fmt: skip
    if made:
        platform.store(ListFigure.__name__, made, source=who)
    return {"lists": len(lists), "figures": len(made)}


def figures(
    lists: Sequence[Shown], acts: Mapping[str, Sequence[tuple[int, str]]], offered: int, end: int
) -> Iterator[dict[str, Any]]:
    """Yield figures as report, series, at, value, unit, n, and low and high where there is an interval.

    Args:
        lists: what was shown.
        acts: customer → (instant, item) of what they chose.
        offered: items on offer.
        end: until when it is known what they chose, microseconds; lists whose week is not over by
            then are not judged yet.
    """
    over = [one for one in lists if one.items and one.at + AFTER <= end]
    judged = [(one, _judged(one, acts.get(one.customer, ()))) for one in over]
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
    """Set what the champion's lists and the challenger's came to side by side.

    Customers are drawn, not lists: the lists of one are one draw, however many they are.
    """
    for metric in ("hit", "ndcg"):
        each: dict[str, dict[str, list[float]]] = {"champion": {}, "challenger": {}}
        for one, found in judged:
            if one.variant in each:
                each[one.variant].setdefault(one.customer, []).append(found[metric])
        if not each["challenger"]:
            continue
        means = {name: _of_lists(list(of.values())) for name, of in each.items() if of}
        for name, (mean, n, _) in means.items():
            yield _row("variant", metric, name, mean, "share", n)
        if min(len(of) for of in each.values()) > 1:
            mine, theirs = means["challenger"], means["champion"]
            gap, half = mine[0] - theirs[0], 1.96 * float(np.sqrt(mine[2] + theirs[2]))
            yield _row("variant", metric, "challenger less champion", gap, "share",
                       mine[1] + theirs[1], gap - half, gap + half)  # fmt: skip


def _of_lists(each: Sequence[Sequence[float]]) -> tuple[float, int, float]:
    """Return the mean over all lists, how many there are, and the variance of that mean.

    Args:
        each: the values of one customer's lists, for every customer.

    Source: Cochran, Sampling Techniques, 1977, section 9A: a ratio over clusters of unequal size.
    """
    sums, sizes = np.array([sum(values) for values in each]), np.array([len(v) for v in each])
    n, groups = int(sizes.sum()), len(each)
    mean = float(sums.sum() / n)
    apart = ((sums - mean * sizes) ** 2).sum() / n**2
    return mean, n, float(apart * groups / (groups - 1)) if groups > 1 else float("inf")


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


def _row(  # noqa: PLR0913, PLR0917 - the columns of a figure
    report: str, series: str, at: str, value: float, unit: str, n: int,
    low: float | None = None, high: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    found = {"report": report, "series": series, "at": at, "value": value, "unit": unit, "n": n}
    return found | ({} if low is None or high is None else {"low": low, "high": high})
