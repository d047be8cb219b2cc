# SPDX-License-Identifier: Apache-2.0
"""Commands about how decisions go through a flow: counts per stage, minutes and cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from heptad.service.cases.figures import decided_by_people, worked
from heptad.service.flows.drawing import mermaid, svg, to_plain
from heptad.service.flows.pace import PEOPLE, by_stage
from heptad.service.flows.pace import pace as reckoned
from heptad.service.flows.publishing import flow_of
from heptad.standards.time import as_of
from heptad.terminal.commands.pages import MOST, latest

if TYPE_CHECKING:
    from heptad.runtime import Platform


def counts(  # noqa: PLR0913, PLR0917 - what is counted, and for whom
    platform: Platform,
    app: str,
    most: int = MOST,
    form: str = "json",
    t: str = "",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Draw the flow in force with how many of the latest decisions each stage made.

    As of an instant `t`, ISO 8601, of those on what had happened by then.
    """
    chosen = platform.app(app)
    flow_of(chosen)
    aim: dict[str, Any] = {"purpose": purpose or None, "role": role, "who": who}
    at = as_of(t)
    with platform.reviewing("counts", chosen.purpose, **aim, app=app):
        made = [e.decision for e in latest(platform, most, app, "", at) if e.decision is not None]
    told = by_stage(chosen, made)
    policy = platform.desk.policy(chosen)
    flow = flow_of(chosen).chosen(policy | {"challenger": None}, {})
    plain = to_plain(flow, told)
    drawn = {"mermaid": mermaid, "svg": svg}
    return plain | {
        "rows": told["rows"],
        "drawing": drawn[form](plain) if form in drawn else "",
    }


def pace(platform: Platform, app: str, hourly: float = 0.0, t: str = "") -> dict[str, Any]:
    """Say which share of decisions needed no person, and what the others cost in time.

    Args:
        platform: the open project.
        app: name of the application.
        hourly: what an hour of a person's work costs.
        t: as of this instant, ISO 8601; now by default.
    """
    flow_of(platform.app(app))
    store, at = platform.catalog.store, as_of(t)
    times = worked(store, app, at)
    made = dict(platform.catalog.decisions.counts(app, at=at))
    # What people decided is a further decision of the same row: it is none of the machine's.
    machine = sum(made.values()) - decided_by_people(store, app, at)
    waiting = sum(made.get(o, 0) for o in PEOPLE)
    found = reckoned({"": max(machine - waiting, 0), "refer": waiting}, times, hourly)
    return {"app": app, "hourly": hourly} | asdict(found)
