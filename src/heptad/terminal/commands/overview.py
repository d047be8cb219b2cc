# SPDX-License-Identifier: Apache-2.0
"""The project at a glance: its seven layers, what needs a person, and names found by a few letters."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from heptad.standards.time import as_of, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heptad.catalog.loads import Load
    from heptad.catalog.runs import Run
    from heptad.catalog.versions import Version
    from heptad.runtime import Platform

_LOADS = 400
"""Loads that are looked at."""
_SPARK = 24
_NODES = 7
_WAITS = ("refer", "hold", "challenge")
"""Outcomes that leave the last word to a person."""
_FOUND = 24

Node = dict[str, Any]
Layer = dict[str, Any]


def overview(platform: Platform, t: str = "") -> dict[str, Any]:
    """Show the seven layers with what flows through them, and what needs attention.

    As of an instant `t`, ISO 8601: what had happened, was stored and was in use by then. Of rows
    set aside before it, those that still wait.
    """
    at = as_of(t)
    loads = platform.catalog.loads.recent(until=at, limit=_LOADS)
    held = _held(platform, at)
    quarantined = _quarantined(platform, None if at is None else {load.id for load in loads})
    failed = platform.catalog.runs.recent(status="failed", until=at, limit=3)
    decided = platform.catalog.decisions
    counts = {name: decided.counts(name, at=at) for name in platform.apps}
    layers = [
        _applications(platform, counts, at),
        _analysis(platform, at),
        _service(platform, counts, at),
        _catalog(platform, held, at),
        _engine(platform, held, _entries(platform, counts, at)),
        _ingest(loads, quarantined),
        _sources(platform, loads),
    ]
    return {
        "name": platform.project.name,
        "now": format_instant(platform.clock.now() if at is None else at),
        "figures": [
            {"name": "row versions", "value": sum(v.rows for v in held.values()), "unit": ""},
            {"name": "decisions", "value": sum(_total(c) for c in counts.values()), "unit": ""},
            {"name": "for a person", "value": _waiting(counts.values()), "unit": ""},
            {"name": "log entries", "value": _entries(platform, counts, at), "unit": ""},
        ],
        "attention": list(_attention(failed, platform, loads, quarantined, counts)),
        "layers": layers,
        "edges": _edges(platform, layers),
    }


def _held(platform: Platform, at: int | None) -> dict[str, Version]:
    """Return the version of each table that holds rows, or held some at an instant."""
    versions = platform.catalog.versions
    held = versions.current()
    if at is None:
        return held
    then = {name: versions.at(name, at) for name in held}
    return {name: version for name, version in then.items() if version is not None}


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.values())


def _waiting(counts: Any) -> int:
    return sum(of.get(outcome, 0) for of in counts for outcome in _WAITS)


def _quarantined(platform: Platform, loads: set[int] | None) -> dict[str, dict[str, int]]:
    """Count rows in quarantine, of some loads or all: table → reason → rows."""
    quarantine = platform.loading.quarantine
    found: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for table in quarantine.tables():
        for (load, reason, field), n in quarantine.counts(table).items():
            if loads is not None and load not in loads:
                continue
            found[table][f"{field}: {reason}" if field else reason] += n
    return {table: dict(by) for table, by in found.items() if by}


def _node(id_: str, name: str, note: str, to: str = "", tone: str = "", **more: Any) -> Node:
    return {"id": id_, "name": name, "note": note, "to": to, "tone": tone} | more


def _layer(number: int, name: str, nodes: list[Node], **more: Any) -> Layer:
    """Return a layer; `spark` is what passed through it, the newest last."""
    plain: Layer = {"count": None, "fresh": None, "failures": 0, "failing": "", "spark": []}
    found = {"number": number, "name": name, "nodes": nodes[:_NODES]}
    return plain | found | more | {"more": max(0, len(nodes) - _NODES)}


def _applications(
    platform: Platform, counts: Mapping[str, Mapping[str, int]], at: int | None
) -> Layer:
    nodes = []
    for app in platform.apps.values():
        by_day = platform.catalog.decisions.by_day(app.name, at=at)
        spark = [sum(of.values()) for _, of in sorted(by_day.items())][-_SPARK:]
        waits = _waiting([counts[app.name]])
        nodes.append(
            _node(
                f"app:{app.name}",
                app.title,
                f"{_total(counts[app.name]):,} decisions",
                f"/apps/{app.name}",
                tone="warn" if waits else "" if spark else "off",
                sub=f"{waits:,} for a person" if waits else "",
                spark=spark,
            )
        )
    return _layer(7, "Applications", nodes, count=sum(_total(c) for c in counts.values()))


def _analysis(platform: Platform, at: int | None) -> Layer:
    """Return what the models in use measure."""
    nodes = []
    for app in platform.apps.values():
        champion = platform.catalog.models.champion(app.name, at) if app.model else None
        if champion is None:
            continue
        ours = champion.metrics.get("ours", {})
        for name, title in (("auc", "AUC"), ("ks", "KS"), ("brier", "Brier"), ("ece", "ECE")):
            if name in ours:
                value = f"{ours[name]['value']:.3f}"
                to = f"/models/{champion.id}"
                nodes.append(_node(f"figure:{app.name}.{name}", title, f"{app.name} {value}", to))
    if not nodes:
        nodes = [_node("figure:none", "No model yet", "heptad train", "/models", "off")]
    return _layer(6, "Analysis", nodes, count=len(nodes))


def _service(platform: Platform, counts: Mapping[str, Mapping[str, int]], at: int | None) -> Layer:
    features = sum(len(app.features) for app in platform.apps.values())
    models = platform.catalog.models.recent(until=at, limit=100)
    stages = {m.id: m.stage for m in models} if at is None else platform.catalog.models.stages(at)
    models = [m for m in models if m.id in stages]
    waits = [m for m in models if stages[m.id] == "candidate"]
    entries = _entries(platform, counts, at)
    last = platform.catalog.decisions.page(limit=1, until=at).entries
    nodes = [
        _node("features", "Features", f"{features} defined", "/features"),
        _node("decisions", "Decisions", f"{entries:,} recorded", "/decisions"),
        _node(
            "models",
            "Models",
            f"{len(models)} trained",
            "/models",
            tone="warn" if waits else "",
            sub=f"{len(waits)} to approve" if waits else "",
        ),
        _node("log", "Decision log", f"{entries:,} sealed", "/log"),
    ]
    return _layer(
        5,
        "Service",
        nodes,
        count=sum(_total(c) for c in counts.values()),
        fresh=format_instant(last[0].event_time) if last else None,
    )


def _catalog(platform: Platform, held: Mapping[str, Version], at: int | None) -> Layer:
    runs = platform.catalog.runs.recent(until=at, limit=100)
    failed = [run for run in runs if run.status == "failed"]
    drifts = [d for d in platform.catalog.quality.drifts() if at is None or d.instant <= at]
    newest = max((v.instant for v in held.values()), default=None)
    nodes = [
        _node("tables", "Tables", f"{len(held)} of {len(platform.tables)} hold rows", "/tables"),
        _node("versions", "Versions", f"{sum(v.version + 1 for v in held.values())}", "/tables"),
        _node("lineage", "Lineage", "by column", "/lineage"),
        _node(
            "quality",
            "Quality",
            f"{len(drifts)} drifted" if drifts else "no drift met",
            "/tables",
            tone="warn" if drifts else "",
        ),
        _node(
            "runs",
            "Runs",
            f"{len(failed)} failed" if failed else f"{len(runs)} runs",
            "/runs",
            tone="bad" if failed else "" if runs else "off",
        ),
    ]
    fresh = None if newest is None else format_instant(newest)
    return _layer(4, "Catalog", nodes, count=len(held), fresh=fresh, failures=len(failed))


def _entries(platform: Platform, counts: Mapping[str, Mapping[str, int]], at: int | None) -> int:
    """Count the entries of the log, or the decisions on what had happened by an instant."""
    return len(platform.log) if at is None else sum(_total(c) for c in counts.values())


def _engine(platform: Platform, held: Mapping[str, Version], entries: int) -> Layer:
    rows = sum(v.rows for v in held.values())
    size = sum(v.size for v in held.values())
    engine = platform.project.engine
    nodes = [
        _node("lake", "Delta tables", f"{size / 1e6:,.1f} MB", "/tables"),
        _node("duck", "DuckDB", f"{engine.threads} threads, {engine.memory}"),
        _node("segments", "Event log", f"{entries:,} entries", "/log"),
        _node("keys", "Keys", f"{len(platform.keys):,} subjects"),
    ]
    return _layer(3, "Engine", nodes, count=rows)


def _ingest(loads: Sequence[Load], quarantined: Mapping[str, Mapping[str, int]]) -> Layer:
    aside = sum(_total(by) for by in quarantined.values())
    done = [load for load in loads if load.status == "committed"]
    read = sum(load.counts.read for load in done)
    accepted = sum(load.counts.accepted for load in done)
    duplicates = sum(load.counts.duplicates for load in done)
    corrections = sum(load.counts.corrections for load in done)
    share = f"{accepted / read:.2%} pass" if read else "nothing read"
    nodes = [
        _node("check", "Check", share, "/runs"),
        _node("standardise", "Standardise", f"{accepted:,} rows", "/tables"),
        _node("deduplicate", "Deduplicate", f"{duplicates:,} dropped", "/runs"),
        _node("correct", "Correct", f"{corrections:,} corrections", "/runs"),
        _node(
            "quarantine",
            "Quarantine",
            f"{aside:,} rows",
            _most(quarantined),
            tone="warn" if aside else "",
        ),
    ]
    return _layer(
        2,
        "Ingest",
        nodes,
        count=accepted,
        fresh=format_instant(done[0].arrival) if done else None,
        failures=aside,
        failing="in quarantine" if aside else "",
        spark=[load.counts.accepted for load in reversed(done[:_SPARK])],
    )


def _most(quarantined: Mapping[str, Mapping[str, int]]) -> str:
    """Return the page of the table with most rows set aside."""
    worst = max(quarantined, key=lambda t: _total(quarantined[t]), default="")
    return f"/tables/{worst}?tab=quarantine" if worst else "/tables"


def _sources(platform: Platform, loads: Sequence[Load]) -> Layer:
    last: dict[str, Load] = {}
    for load in loads:
        last.setdefault(load.source, load)
    nodes = []
    for source in platform.project.sources:
        latest = last.get(source.name)
        wrong = latest is not None and latest.status in ("failed", "refused")
        note = f"{latest.counts.read:,}" if latest else "never read"
        to = f"/tables/{source.table}"
        tone = "bad" if wrong else "" if latest else "off"
        nodes.append(_node(f"source:{source.name}", source.name, note, to, tone))
    nodes.sort(key=lambda n: n["tone"] != "bad")
    failed = sum(n["tone"] == "bad" for n in nodes)
    newest = format_instant(loads[0].started) if loads else None
    return _layer(1, "Sources", nodes, count=len(nodes), fresh=newest, failures=failed)


def _attention(
    failed: Sequence[Run],
    platform: Platform,
    loads: Sequence[Load],
    quarantined: Mapping[str, Mapping[str, int]],
    counts: Mapping[str, Mapping[str, int]],
) -> Iterator[dict[str, str]]:
    """Yield what a person should look at, the gravest first."""
    seen: set[str] = set()
    for load in loads:
        wrong = load.status in ("failed", "refused")
        if load.source not in seen and wrong:
            why = str((load.error or {}).get("title", load.status))
            yield _notice("bad", load.source, why, "See the load", "/runs", "heptad loads")
        seen.add(load.source)
    for run in failed:
        why = str((run.error or {}).get("title", "failed"))
        yield _notice("bad", run.job, f"{run.date}: {why}", "See the run", "/runs", "heptad runs")
    for table, by in sorted(quarantined.items(), key=lambda item: -_total(item[1])):
        reason, n = max(by.items(), key=lambda item: item[1])
        yield _notice(
            "warn",
            table,
            f"put {_total(by):,} rows in quarantine; most often {reason} ({n:,}).",
            "See rows",
            f"/tables/{table}?tab=quarantine",
            f"heptad quarantine show {table}",
        )
    for app in platform.apps.values():
        waits = _waiting([counts[app.name]])
        if waits:
            yield _notice(
                "warn",
                app.title,
                f"left {waits:,} decisions to a person.",
                "See decisions",
                f"/decisions?app={app.name}&waits=true",
                f"heptad decisions --app {app.name}",
            )


def _notice(tone: str, where: str, text: str, do: str, to: str, command: str) -> dict[str, str]:
    return {"tone": tone, "where": where, "text": text, "do": do, "to": to, "command": command}


def _edges(platform: Platform, layers: Sequence[Layer]) -> list[list[str]]:
    """Return how the nodes that are shown feed each other: [from below, to above]."""
    shown = {node["id"] for layer in layers for node in layer["nodes"]}
    found = [[f"source:{s.name}", "check"] for s in platform.project.sources]
    found += [["check", "standardise"], ["check", "quarantine"]]
    found += [["standardise", "lake"], ["deduplicate", "lake"], ["correct", "lake"]]
    found += [["lake", "tables"], ["lake", "versions"], ["duck", "quality"]]
    found += [["tables", "features"], ["lineage", "features"], ["versions", "decisions"]]
    found += [["versions", "models"], ["segments", "log"]]
    for app in platform.apps.values():
        figures = [f"figure:{app.name}.{name}" for name in ("auc", "ks", "brier", "ece")]
        used = [figure for figure in figures if figure in shown]
        found += [["models", figure] for figure in used] + [
            [figure, f"app:{app.name}"] for figure in used
        ]
        found.append(["decisions" if used else "features", f"app:{app.name}"])
    return [edge for edge in found if edge[0] in shown and edge[1] in shown]


def search(platform: Platform, q: str) -> dict[str, Any]:
    """Find tables, columns, features, applications, models and decisions by a few letters."""
    wanted = q.strip().lower()
    if not wanted:
        return {"q": q, "hits": []}
    found = [hit for hit in _names(platform) if wanted in hit["name"].lower()]
    found.sort(key=lambda hit: (not hit["name"].lower().startswith(wanted), hit["rank"]))
    ids = platform.catalog.decisions.starting(q.strip(), limit=5) if len(wanted) >= 4 else []
    hits = [_hit("decision", name, "", f"/decisions/{name}") for name in ids]
    return {"q": q, "hits": (hits + found)[:_FOUND]}


def _names(platform: Platform) -> Iterator[dict[str, Any]]:
    for app in platform.apps.values():
        yield _hit("application", app.title, app.name, f"/apps/{app.name}", 0)
        for feature, defined in app.features.items():
            name = f"{app.name}.{feature}"
            yield _hit("feature", name, defined.sentence(), f"/features/{name}", 2)
    for name, table in platform.tables.items():
        doc = (table.__doc__ or "").strip().splitlines()[0]
        yield _hit("table", name, doc, f"/tables/{name}", 1)
        for field in table.fields.values():
            to = f"/lineage?of={name}.{field.name}"
            yield _hit("column", f"{name}.{field.name}", field.doc, to, 4)
    for model in platform.catalog.models.recent(limit=50):
        yield _hit("model", model.title, model.stage, f"/models/{model.id}", 3)


def _hit(kind: str, name: str, what: str, to: str, rank: int = 0) -> dict[str, Any]:
    return {"kind": kind, "name": name, "what": what, "to": to, "rank": rank}
