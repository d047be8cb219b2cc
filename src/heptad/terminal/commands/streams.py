# SPDX-License-Identifier: Apache-2.0
"""Command about what flows: streams of features, topics read and written, jobs of other engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from heptad.service.stream.reels import reels_of
from heptad.sources.kafka import SCHEME as KAFKA
from heptad.sources.mqtt import SCHEMES as MQTT
from heptad.standards.errors import ContractError
from heptad.standards.time import format_instant
from heptad.terminal.commands.engines import RECORDED

if TYPE_CHECKING:
    from heptad.runtime import Platform
    from heptad.service.app import App
    from heptad.service.stream.slots import Slot
    from heptad.sources.binding import Source

_MOST_COLD = 100_000
"""Cold keys that are counted; beyond it is said that there are more."""
_JOBS = 50


def show_streams(platform: Platform) -> dict[str, Any]:
    """Say what is kept current in memory, how far topics are read and written, what engines ran."""
    return {
        "now": format_instant(platform.clock.now()),
        "served": platform.intake.quick is not None,
        "reels": _reels(platform),
        "apart": _apart(platform),
        "journals": _journals(platform),
        "sources": [_source(platform, s) for s in platform.project.sources if _is_topic(s)],
        "sinks": _sinks(platform),
        "jobs": _jobs(platform),
        "cluster": _cluster(),
    }


def _reels(platform: Platform) -> list[dict[str, Any]]:
    """Read the figures of every stream of features as they stand this moment."""
    quick = platform.intake.quick
    if quick is None:
        return []
    slots = quick.current.slots.items()
    return [_reel(app, slot) for app, own in slots for slot in own]


def _reel(app: str, slot: Slot) -> dict[str, Any]:
    reel = slot.reel
    keys, events = (0, 0) if reel is None else reel.held
    known = None if reel is None else reel.known
    cold = None if reel is None else reel.cold_keys(_MOST_COLD)
    return {
        "app": app,
        "table": slot.shape.table.__name__,
        "features": list(dict.fromkeys(str(f.name).partition("#")[0] for f in slot.features)),
        "state": "building" if reel is None else "current" if known is not None else "empty",
        "keys": keys,
        "events": events,
        "cold_keys": cold,
        "cold_more": cold == _MOST_COLD,
        "newest": None if known is None else format_instant(known),
        "waiting": len(slot.extra),
        "later": len(slot.later),
    }


def _apart(platform: Platform) -> list[dict[str, Any]]:
    """Name the applications whose features no stream keeps, each with the reason."""
    return [
        {"app": app.name, "why": why}
        for app in platform.apps.values()
        if app.features and (why := _why_apart(platform, app))
    ]


def _why_apart(platform: Platform, app: App) -> str:
    if platform.guard.consents(app):
        return "its reads rest on a consent, which may end at any moment"
    try:
        reels_of(app.on, app.features.values())
    except ContractError as error:
        return error.what
    return ""


def _journals(platform: Platform) -> list[dict[str, Any]]:
    """Say how many rows were answered and wait to be stored in their table."""
    quick = platform.intake.quick
    lines = [] if quick is None else list(quick.pending.lines.items())
    return [{"table": name, "waiting": line.rows} for name, line in lines]


def _is_topic(source: Source) -> bool:
    return source.origin.startswith((KAFKA, *MQTT))


def _place(origin: str) -> tuple[str, str]:
    """Return the kind of a topic and where it is, without who may read it."""
    scheme, _, rest = origin.partition("://")
    return scheme.removesuffix("s"), rest.partition("?")[0].rpartition("@")[2]


def _source(platform: Platform, source: Source) -> dict[str, Any]:
    loads = platform.catalog.loads
    last = next(iter(loads.recent(source.table, source=source.name, limit=1)), None)
    mark = loads.watermark(source.name, source.table)
    kind, place = _place(source.origin)
    return {
        "source": source.name,
        "table": source.table,
        "kind": kind,
        "topic": place,
        "positions": [
            {"partition": int(n), "offset": int(at)} for n, at in json.loads(mark or "{}").items()
        ],
        "state": "empty" if last is None else _STATES.get(last.status, last.status),
        "load": None if last is None else last.id,
        "when": None if last is None else format_instant(last.started),
        "accepted": 0 if last is None else last.counts.accepted,
        "error": None if last is None else (last.error or {}).get("title"),
    }


_STATES = {"committed": "current", "failed": "failed"}


def _sinks(platform: Platform) -> list[dict[str, Any]]:
    told = {sink.name: sink for sink in platform.project.sinks}
    found = []
    for standing in platform.work.publishing.standing() if told else ():
        sink = told[standing["sink"]]
        kind, place = _place(sink.to)
        more = {"kind": kind, "topic": place, "apps": [*sink.apps], "outcomes": [*sink.outcomes]}
        found.append(standing | more)
    return found


def _jobs(platform: Platform) -> list[dict[str, Any]]:
    """List what was computed on other engines, the last first."""
    runs = platform.catalog.runs.recent(limit=1000)
    return [
        {
            "run": run.id,
            "engine": run.job.partition(" ")[0],
            "what": run.job.partition(" ")[2],
            "status": run.status,
            "started": format_instant(run.started),
            "seconds": None if run.ended is None else (run.ended - run.started) / 1e6,
            "rows": (run.result or {}).get("rows"),
            "features": (run.result or {}).get("features", 0),
            "refused": (run.result or {}).get("refused", 0),
            "error": (run.error or {}).get("title") or (run.error or {}).get("detail"),
        }
        for run in runs
        if run.job.startswith(RECORDED)
    ][:_JOBS]


def _cluster() -> dict[str, Any]:
    """Say what the small Flink cluster of this machine does, if it was started."""
    from heptad.engine.flink.cluster import Cluster
    from heptad.engine.flink.environment import Environment, place

    return {"installed": Environment(place()).release, **Cluster().status()}
