# SPDX-License-Identifier: Apache-2.0
"""Commands about models: train, list, approve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.standards.time import as_of, format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.catalog.models import Model
    from heptad.runtime import Platform

FIGURES = ("auc", "ks", "brier", "ece")


def train(  # noqa: PLR0913, PLR0917 - what a training is, by name
    platform: Platform,
    app: str,
    until: str = "",
    known: str = "",
    seed: int = 0,
    trainer: str = "trainer",
    crosses: int = 0,
) -> dict[str, Any]:
    """Train the model of an application and register it as a candidate."""
    trained = platform.train(
        app,
        until=as_of(until),
        known=as_of(known),
        seed=seed,
        trainer=trainer,
        crosses=crosses,
    )
    (model,) = platform.catalog.models.recent(app=app, limit=1)
    return {
        "model": model.title,
        "number": model.id,
        "rows": trained.rows,
        "held_out": trained.held_out,
        "metrics": figures(trained.metrics),
    }


def figures(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the figures of a model beside those of its baseline, as rows of a table."""
    rows = []
    for name in FIGURES:
        row: dict[str, Any] = {"figure": name}
        for who in ("ours", "logistic"):
            found = metrics.get(who, {}).get(name)
            if found:
                row[who] = f"{found['value']:.3f} [{found['low']:.3f} {found['high']:.3f}]"
        rows.append(row)
    return rows


def list_models(platform: Platform) -> dict[str, Any]:
    """List the models, newest first."""
    return {"models": [line(m) for m in platform.catalog.models.recent()]}


def line(model: Model) -> dict[str, Any]:
    """Return a model as a line of a list."""
    auc = (model.metrics or {}).get("ours", {}).get("auc", {})
    return {
        "number": model.id,
        "model": model.title,
        "app": model.app,
        "stage": model.stage,
        "trainer": model.trainer,
        "auc": f"{auc['value']:.3f} [{auc['low']:.3f} {auc['high']:.3f}]" if auc else None,
        "trained": format_instant(model.trained),
        "sha256": model.sha256[:16],
    }


def approve(platform: Platform, number: int, who: str, note: str) -> dict[str, Any]:
    """Approve a model that somebody else trained, and let it decide from now on."""
    return line(platform.approve(number, who, note))


def challenge(platform: Platform, number: int, who: str, note: str) -> dict[str, Any]:
    """Approve a model that somebody else trained, and let it be tried beside the one that decides."""
    return line(platform.approve(number, who, note, "challenger"))
