# SPDX-License-Identifier: Apache-2.0
"""How decisions go through a flow: rows per stage, the share without a person, minutes and cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from heptad.standards.time import minute

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from heptad.service.app import App
    from heptad.service.decisions.decision import Decision

PEOPLE = ("refer", "hold")
"""Outcomes that wait for a person."""


def by_stage(app: App, decisions: Iterable[Decision]) -> dict[str, Any]:
    """Ask the flow that made each decision once more which stage it was, and count.

    Only decisions of the newest flow among them are counted: stages of two flows are not the
    same. What people decided afterwards is left out.

    Args:
        app: an application that follows a flow.
        decisions: its decisions, the latest first.

    Returns:
        `entered` and `decided` by stage, `reasons` by code, and `rows`: as `to_plain` takes it.
    """
    if app.flow is None:
        return {"entered": {}, "decided": {}, "reasons": {}, "rows": 0}
    newest, at, reasons = None, Counter[str](), Counter[str]()
    for one in decisions:
        if "case" in one.policy:
            continue
        x = one.inputs()
        flow = app.flow.chosen(x.policy, x.row)
        newest = newest or flow
        if flow is not newest:
            continue
        at[flow.decide(x)[1]] += 1
        reasons.update(r.code for r in one.reasons)
    entered, left = {}, sum(at.values())
    for stage in newest.stages if newest else ():
        entered[stage.name] = left
        left -= at[stage.name]
    decided = {name: at[name] for name in entered}
    return {"entered": entered, "decided": decided, "reasons": dict(reasons),
            "rows": sum(at.values())}  # fmt: skip


@dataclass(frozen=True)
class Pace:
    """How quickly and at what cost decisions are made.

    Attributes:
        decisions: made by the machine.
        straight: share of them that needed no person, in [0, 1].
        cases: closed by people.
        waited: minutes from a case's opening to its end, the median; None without a closed case.
        worked: minutes from the first assignment to the end, the median.
        minutes: minutes of work per decision, over all of them.
        cost: of that work per decision, in units of the hourly cost.
    """

    decisions: int
    straight: float | None
    cases: int
    waited: float | None
    worked: float | None
    minutes: float | None
    cost: float | None


def pace(
    outcomes: Mapping[str, int], closed: Sequence[tuple[int, int, int]], hourly: float
) -> Pace:
    """Reckon how quickly and at what cost decisions are made.

    Args:
        outcomes: outcome → decisions that the machine made.
        closed: of each closed case when it was opened, taken up and closed, microseconds.
        hourly: what an hour of a person's work costs.
    """
    n = sum(outcomes.values())
    waits = [(end - start) / minute for start, _, end in closed]
    works = [(end - taken) / minute for _, taken, end in closed]
    minutes = sum(works) / n if n else None
    return Pace(
        decisions=n,
        straight=1 - sum(outcomes.get(o, 0) for o in PEOPLE) / n if n else None,
        cases=len(closed),
        waited=median(waits) if waits else None,
        worked=median(works) if works else None,
        minutes=minutes,
        cost=None if minutes is None else minutes / 60 * hourly,
    )
