# SPDX-License-Identifier: Apache-2.0
"""What the console draws beside a decision, a feature, a model and a table."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from heptad.catalog.bindings import columns_named
from heptad.catalog.repairing import cells_of
from heptad.catalog.retrying import stays
from heptad.ingest.quarantine import about
from heptad.service.decisions.contrast import changes, place, values_of
from heptad.service.decisions.explaining import shown
from heptad.service.features import unit_of
from heptad.standards import Money
from heptad.standards.time import as_of, format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.catalog.models import Event
    from heptad.ingest.quarantine import Refusal
    from heptad.runtime import Platform
    from heptad.service.app import App, Plain
    from heptad.service.decisions.decision import Decision

OTHERS = 1_000
"""Decisions that one is compared with, the latest of its application."""
_LOADS = 12


def others(platform: Platform, app: str) -> list[Decision]:
    """Return the latest decisions of an application that can be read."""
    from heptad.terminal.commands.pages import latest

    found = latest(platform, OTHERS, app, "")
    return [entry.decision for entry in found if entry.decision is not None]


def background(
    platform: Platform,
    id: str,  # noqa: A002 - the field's term
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Say where the values of a decision lie among others, and what would have changed it."""
    from heptad.terminal.commands.decisions import full_id

    entry = platform.log.get(full_id(platform, id))
    if entry.decision is None or entry.decision.app not in platform.apps:
        return {"of": 0, "values": {}, "score": None, "changes": []}
    aim: dict[str, Any] = {"purpose": purpose or None, "role": role, "who": who}
    app = platform.app(entry.decision.app)
    with platform.reviewing("compare", app.purpose, **aim, decision=entry.decision.id):
        seen = platform.reviewed([entry])
        return _background(platform, app, entry.decision if seen else None)


def _background(platform: Platform, app: App, then: Decision | None) -> dict[str, Any]:
    """Compare a decision that may be read with the others that may be."""
    if then is None:
        return {"of": 0, "values": {}, "score": None, "changes": []}
    known = others(platform, then.app)
    scorer = platform.desk.scorer(then.app, then.model) if then.model else None
    values = {}
    for name in [*then.features, *then.row]:
        if _unit(app, then, name) == "instant":
            continue
        spot = place(values_of(known, name), _number(then, name))
        if spot is not None:
            values[name] = spot._asdict()
    return {
        "of": len(known),
        "values": values,
        "score": _scores(then, known),
        "changes": [
            {
                "name": change.name,
                "from": _said(change.value, _unit(app, then, change.name)),
                "to": _said(change.to, _unit(app, then, change.name)),
                "outcome": change.outcome,
            }
            for change in changes(app, scorer, then, known)
        ],
    }


def _said(value: Plain, unit: str) -> str:
    """Write a value for people; a share in per cent."""
    if unit == "fraction" and isinstance(value, float):
        return f"{value:.1%}"
    return shown(value, unit)


def _number(then: Decision, name: str) -> float | None:
    from heptad.service.decisions.contrast import number

    return number(then.features.get(name, then.row.get(name)))


def _unit(app: App, then: Decision, name: str) -> str:
    """Return the unit of a feature, or of a field of the row that was decided."""
    feature = app.features.get(name)
    if feature is not None:
        return unit_of(feature)
    field = app.on.fields.get(name)
    if isinstance(field, Money):
        return f"{then.row.get(field.currency) or 'EUR'} minor units"
    return field.unit if field is not None else ""


def _scores(then: Decision, known: Sequence[Decision]) -> dict[str, Any] | None:
    """Count the points of others by outcome, on one scale with those of the decision."""
    if then.score is None or then.score.points is None:
        return None
    points = [(d.score.points, d.outcome) for d in known if d.score and d.score.points is not None]
    spot = place([float(p) for p, _ in points], float(then.score.points))
    if spot is None:
        return None
    width = (spot.high - spot.low) or 1.0
    by: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(spot.bins))
    for value, outcome in points:
        step = int((value - spot.low) / width * len(spot.bins))
        by[outcome][max(0, min(len(spot.bins) - 1, step))] += 1
    return spot._asdict() | {"outcomes": dict(by)}


def feature_card(
    platform: Platform,
    name: str,
    at: str = "",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Show a feature: its definition, who uses it, and its values in decisions month by month."""
    from heptad.terminal.commands.features import show_feature

    app, _, own = name.partition(".")
    card = show_feature(platform, name)
    edge = as_of(at)
    aim: dict[str, Any] = {"purpose": purpose or None, "role": role, "who": who}
    with platform.reviewing("feature", platform.app(app).purpose, **aim, feature=name):
        known = [d for d in others(platform, app) if edge is None or d.event_time <= edge]
    values = values_of(known, own)
    months: defaultdict[str, list[float]] = defaultdict(list)
    for decision in known:
        months[format_instant(decision.event_time)[:7]] += values_of([decision], own)
    overall = place(values)
    lineage = platform.catalog.lineage
    impact = lineage.impact(f"feature:{name}")
    return card | {
        "app": app,
        "decisions": len(known),
        "missing": len(known) - len(values),
        "distribution": overall._asdict() if overall else None,
        "months": [
            {"month": month, "n": len(found), **_quartiles(found)}
            for month, found in sorted(months.items())
            if found
        ],
        "models": list(impact.models),
        "apps": list(impact.apps),
    }


def _quartiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    last = len(ordered) - 1
    ranks = {"low": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "high": 0.95}
    return {name: ordered[round(rank * last)] for name, rank in ranks.items()}


def parity(
    platform: Platform,
    app: str,
    n: int = 20,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Derive the features of the latest decisions again and compare them bit for bit."""
    from heptad.terminal.commands.pages import latest

    aim: dict[str, Any] = {"purpose": purpose or None, "role": role, "who": who}
    with platform.reviewing("parity", platform.app(app).purpose, **aim, app=app):
        found = latest(platform, n, app, "")
    if not found:
        return {"app": app, "of": 0, "identical": True, "derive": {}, "findings": []}
    ids = [str(entry.public["id"]) for entry in found]
    report = platform.replay(ids, **aim).to_dict()
    return {
        "app": app,
        "of": len(found),
        "identical": report["identical"],
        "derive": report["derive"],
        "findings": report["findings"],
    }


def model_card(platform: Platform, number: int) -> dict[str, Any]:
    """Show a model: figures with intervals, calibration, data, settings, what was done to it."""
    from heptad.service.scorecards import PointsModel
    from heptad.terminal.commands.models import line

    model = platform.catalog.models.get(number)
    card: list[dict[str, Any]] = []
    if model.app in platform.apps and platform.apps[model.app].model is not None:
        estimator = platform.desk.scorer(model.app, model.sha256).estimator
        card = estimator.rows() if isinstance(estimator, PointsModel) else []
    return line(model) | {
        "bytes": model.size,
        "sha256": model.sha256,
        "approver": model.approver,
        "approved": _instant(model.approved),
        "note": model.note,
        "window": [_instant(model.window_start), _instant(model.window_end)],
        "metrics": {who: model.metrics.get(who, {}) for who in ("ours", "logistic")},
        "features": dict(model.features),
        "versions": dict(model.versions),
        "settings": {n: v for n, v in model.settings.items() if isinstance(v, int | str | float)},
        "events": [
            {"event": e.event, "who": e.who, "note": _note(e), "when": format_instant(e.instant)}
            for e in platform.catalog.models.history(number)
        ],
        "card": card,
    }


def _note(event: Event) -> str:
    """Return with which words, and on which terms, something was done to a model."""
    terms = [f"{name} {value}" for name, value in sorted((event.terms or {}).items())]
    return ", ".join([*terms, event.note] if event.note else terms)


def _instant(value: int | None) -> str | None:
    return None if value is None else format_instant(value)


def table_quality(platform: Platform, name: str, at: str = "") -> dict[str, Any]:
    """Show the profile of a table's last load, how each column moved, its drifts and its loads."""
    platform.table(name)
    quality = platform.catalog.quality
    edge = as_of(at)
    columns = []
    for profile in quality.latest(name):
        past = [p for p in quality.history(name, profile.column, _LOADS) if not _after(p, edge)]
        if not past:
            continue
        now = past[0].profile
        plain = {n: getattr(now, n) for n in now.__slots__} | {
            "past": [
                {
                    "load": p.load,
                    "when": format_instant(p.arrival),
                    "missing": p.profile.missing / p.profile.count if p.profile.count else 0.0,
                }
                for p in reversed(past)
            ]
        }
        columns.append(plain)
    drifts = [d for d in quality.drifts(name) if edge is None or d.instant <= edge]
    return {
        "table": name,
        "columns": columns,
        "drifts": [asdict(d) | {"instant": format_instant(d.instant)} for d in drifts],
    }


def _after(past: Any, edge: int | None) -> bool:
    return edge is not None and past.arrival > edge


def table_quarantine(platform: Platform, name: str, limit: int = 50) -> dict[str, Any]:
    """Show the rows of a table that were set aside: counted by reason, and some of them, masked."""
    platform.table(name)
    quarantine = platform.loading.quarantine
    origins: dict[int, Any] = {}

    def cells(row: Refusal, raw: Refusal) -> dict[str, Any]:
        """What a form for this row shows; nothing where no change lets it in."""
        if row.load not in origins:
            origins[row.load] = about(quarantine.path(name, row.load)).columns
        lost = stays(row, keeps_conflicts=True)
        found = [] if lost else cells_of(origins[row.load], row, raw)
        return {"cells": found, "columns": _columns(platform, row)}

    masked = quarantine.show(name, limit=limit)
    clear = quarantine.show(name, limit=limit, clear=True)

    counted: Counter[tuple[str, str]] = Counter()
    for (_, reason, field), n in quarantine.counts(name).items():
        counted[reason, field] += n
    return {
        "table": name,
        "total": counted.total(),
        "reasons": [
            {"reason": reason, "field": field, "rows": n}
            for (reason, field), n in counted.most_common()
        ],
        "rows": [asdict(row) | cells(row, raw) for row, raw in zip(masked, clear, strict=True)],
    }


def _columns(platform: Platform, row: Refusal) -> list[str]:
    """Return the columns of the source that the refused field is read from."""
    maps = {s.name: s.map for s in platform.project.sources if s.name == row.source}
    text = maps.get(row.source, {}).get(row.field, "")
    return list(columns_named(text)) if text else [row.field] if row.field else []


def list_runs(platform: Platform, limit: int = 100) -> dict[str, Any]:
    """List the runs of jobs, the last one first."""
    return {
        "runs": [
            {
                "run": run.id,
                "job": run.job,
                "date": run.date,
                "status": run.status,
                "attempt": run.attempt,
                "started": format_instant(run.started),
                "seconds": None if run.ended is None else (run.ended - run.started) / 1e6,
                "steps": [{"name": s.name, "done": s.done} for s in run.steps.values()],
                "error": (run.error or {}).get("title"),
            }
            for run in platform.catalog.runs.recent(limit=limit)
        ]
    }
