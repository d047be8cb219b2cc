# SPDX-License-Identifier: Apache-2.0
"""Commands about engines: how features would be computed, what is installed, what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from heptad.runtime import Platform
    from heptad.service.app import App
    from heptad.service.features import Feature

PLANNED = ("local", "spark")


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
    made = _on_spark if engine == "spark" else _local
    return {"app": app, "engine": engine, "queries": made(platform, chosen, features)}


def _local(platform: Platform, app: App, features: list[Feature]) -> list[dict[str, Any]]:
    """Say which features the range join and which the kernel computes in this process."""
    from heptad.service.features import parts_of
    from heptad.service.history import grouped
    from heptad.service.plans import choose

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
    from heptad.service.sparking import planned

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
