# SPDX-License-Identifier: Apache-2.0
"""Commands about engines: how features would be computed, what is installed, what runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from heptad.standards.errors import ContractError, UnknownName, suggest
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform
    from heptad.service.app import App
    from heptad.service.features import Feature

PLANNED = ("local", "spark", "flink")
RECORDED = ("spark ", "flink ")
"""How the jobs are called under which work on another engine stands among the runs."""


def plan_features(
    platform: Platform, app: str, feature: str = "", engine: str = "local"
) -> dict[str, Any]:
    """Say how the features of an application's stored rows would be computed; nothing is."""
    chosen = platform.app(app)
    features = platform.features([f"{app}.{feature}"]) if feature else [*chosen.features.values()]
    if engine not in PLANNED:
        raise UnknownName(
            f"There is no plan for the engine {engine!r}.", got=engine, do=suggest(engine, PLANNED)
        )
    if not features:
        raise ContractError(f"{app} declares no features.", do="name another application")
    made = {"spark": _on_spark, "flink": _on_flink, "local": _local}[engine]
    return {"app": app, "engine": engine, "queries": made(platform, chosen, features)}


def _local(platform: Platform, app: App, features: list[Feature]) -> list[dict[str, Any]]:
    """Say which features the range join and which the kernel computes in this process."""
    from heptad.service.batch.history import grouped
    from heptad.service.batch.plans import choose
    from heptad.service.features import parts_of

    spine, queries = platform.reads.spine(app), []
    for group in grouped(parts_of(features)):
        swept = choose(platform.reads.queries, group, spine, platform.reads.stored, "cheapest")
        plans = {
            "range join in DuckDB": [f for f in group if f.name not in swept],
            "kernel over Arrow": [f for f in group if f.name in swept],
        }
        queries += [
            {"features": [f.name for f in held], "text": f"{plan}, {len(spine):,} rows asked"}
            for plan, held in plans.items()
            if held
        ]
    return queries


def _on_spark(platform: Platform, app: App, features: list[Feature]) -> list[dict[str, Any]]:
    """Draw the stages of Spark's own physical plans."""
    from heptad.engine.spark import pictures
    from heptad.engine.spark.plans import shuffles, stages_of
    from heptad.service.batch.spark import planned

    reads, queries = platform.reads.on("spark", platform.project.engine.threads), []
    for names, frame in planned(reads.spark, features, platform.reads.spine(app), reads.stored):
        stages = stages_of(frame)
        queries.append(
            {
                "features": names,
                "stages": len(stages),
                "shuffles": shuffles(stages),
                "text": pictures.text(stages),
                "mermaid": pictures.mermaid(stages),
                "svg": pictures.svg(stages, f"{app.name}: {', '.join(names[:6])}"),
            }
        )
    return queries


def _on_flink(platform: Platform, app: App, features: list[Feature]) -> list[dict[str, Any]]:
    """Say what Flink would be asked, and which features it cannot compute and why."""
    from heptad.service.batch.flink_sql import flink_plan

    del platform, app
    able, refused = _sorted_out(features)
    queries = [
        {"features": list(query.columns), "text": query.sql}
        for table in dict.fromkeys(f.table for f in able)
        for query in flink_plan([f for f in able if f.table is table])
    ]
    return [*queries, *({"features": [name], "text": f"refused: {w}"} for name, w in refused)]


def _sorted_out(features: list[Feature]) -> tuple[list[Feature], list[tuple[str, str]]]:
    """Return the features that Flink can compute, and why it cannot the others."""
    from heptad.service.batch.flink_sql import why_not

    reasons = {f.name: why_not(f) for f in features}
    refused = [(name, why) for name, why in reasons.items() if why]
    return [f for f in features if not reasons[f.name]], refused


@contextmanager
def recorded(platform: Platform, engine: str, what: str) -> Iterator[dict[str, Any]]:
    """Record a piece of work on another engine as a run: while it goes on, its end, or why it failed.

    Args:
        platform: the open project.
        engine: spark or flink; what is computed here is no run.
        what: is computed, in a few words.

    Yields:
        Where the block puts its figures.
    """
    told: dict[str, Any] = {}
    if engine == "local":
        yield told
        return
    runs, today = platform.catalog.runs, format_instant(platform.clock.now())[:10]
    with runs.running(f"{engine} {what}", today, uuid4().hex) as run:
        yield told
        runs.finish(run.id, told)


def run_flink(
    platform: Platform, app: str, to: str, purpose: str = "", role: str = "", who: str = ""
) -> dict[str, Any]:
    """Compute the features of every stored row of an application's table on Flink, into Parquet.

    It runs on the cluster of `heptad engine start flink`, or in one process without.
    """
    import tempfile
    from pathlib import Path

    import pyarrow.parquet as pq

    from heptad.engine.flink.cluster import Cluster
    from heptad.engine.flink.environment import find
    from heptad.service.batch.flink import Source, note, on_flink

    chosen, environment = platform.app(app), find()
    able, refused = _sorted_out([f for f in chosen.features.values() if f.table is chosen.on])
    if not able:
        raise ContractError(f"Flink can compute no feature of {app}.", got=dict(refused))
    reader = {"role": role or platform.role, "purpose": purpose or platform.purpose}
    with (
        recorded(platform, "flink", f"features of {app}") as told,
        platform.guard.computing("history", able, who=who or platform.who, **reader) as access,
        tempfile.TemporaryDirectory(prefix="heptad-flink-") as folder,
    ):
        reads = platform.reads.under(access)
        source = Source(chosen.on, reads.stored(chosen.on), reads.queries)
        found = on_flink(environment, able, source, Path(folder), Cluster().settings())
        note(access, source)
        pq.write_table(found, to)
        told |= {"rows": len(found), "features": len(able), "refused": len(refused)}
    return {
        "rows": len(found),
        "features": [f.name for f in able],
        "refused": [{"feature": name, "why": why} for name, why in refused],
        "written": to,
    }
