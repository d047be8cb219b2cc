# SPDX-License-Identifier: Apache-2.0
"""Commands about what is tried without deciding: list it, compare it, ask it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.flows.published import shelf
from heptad.service.modes import implied
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from heptad.catalog.models import Model
    from heptad.runtime import Platform
    from heptad.service.app import App

WAITS_S = 20.0
"""How long a question waits for a shadow that is behind; what is left then is told."""


def list_trials(platform: Platform) -> dict[str, Any]:
    """List the flows that are, or were, in shadow, and the models that are tried on some people."""
    apps = list(platform.apps.values())
    return {
        "shadows": [line for app in apps if app.flow for line in _shadows(platform, app)],
        "trials": [_trial(platform, app) for app in apps if "trial" in app.policy],
    }


def _shadows(platform: Platform, app: App) -> list[dict[str, Any]]:
    """Say of each flow of an application since when it was in shadow, for which share."""
    models, standing = platform.catalog.models, platform.work.shadows.standing(app)
    found = []
    for model in models.recent(app=shelf(app.name), limit=200):
        begun = [e for e in models.history(model.id) if e.terms and "shadow" in e.terms]
        if begun and begun[-1].terms:
            found.append({
                "app": app.name, "title": app.title, "number": model.id,
                "flow": str(model.settings.get("flow", "")),
                "version": int(str(model.settings.get("version", 0))), "sha256": model.sha256,
                "share": float(begun[-1].terms.get("share", 1)), "who": begun[-1].who,
                "since": format_instant(begun[-1].instant),
                "standing": standing is not None and standing.id == model.id,
            })  # fmt: skip
    return found


def _trial(platform: Platform, app: App) -> dict[str, Any]:
    """Say which models of an application are compared on people, and where that is told."""
    policy = {**app.policy, **implied(app, platform.project.policies.get(app.name, {}))}
    models = platform.catalog.models
    rivals = models.recent(app=app.name, stage="challenger", limit=20)
    return {
        "app": app.name, "title": app.title, "share": float(policy["trial"] or 0),
        "shadow": bool(policy.get("shadow")), "champion": _named(models.champion(app.name)),
        "challenger": _named(next((m for m in rivals if m.approver is not None), None)),
        "page": next((p.path for p in app.pages if "challenger" in p.question), ""),
    }  # fmt: skip


def _named(model: Model | None) -> dict[str, Any] | None:
    return None if model is None else {"number": model.id, "model": model.title}


def compare(  # noqa: PLR0913, PLR0917 - which shadow, which swap, for whom
    platform: Platform,
    app: str,
    number: int = 0,
    was: str = "",
    would_be: str = "",
    limit: int = 20,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Set what a flow in shadow would have decided beside what was decided, in counts.

    With both outcomes of a swap, also the ids of the last decisions that it is made of.
    """
    shadows, chosen = platform.work.shadows, platform.app(app)
    aim: dict[str, Any] = {"purpose": purpose or None, "role": role, "who": who}
    with platform.reviewing("shadow", chosen.purpose, **aim, app=app, flow=number) as access:
        if platform.work.shadows.standing(chosen) is not None:
            shadows.catch_up(WAITS_S)
        found = shadows.compare(chosen, number)
        wanted = (found["number"], was, would_be, max(1, min(limit, 1000)))
        found["decisions"] = shadows.swapped(chosen, *wanted) if was and would_be else []
        access.read.rows = found["rows"]
    return found


def replay(
    platform: Platform,
    app: str,
    number: int = 0,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Ask a flow in shadow again of all that it was asked of; compare bit for bit."""
    chosen = platform.app(app)
    aim: dict[str, Any] = {"purpose": purpose or None, "role": role, "who": who}
    with platform.reviewing("shadow", chosen.purpose, **aim, app=app, flow=number) as access:
        found = platform.work.shadows.replay(chosen, number)
        access.read.rows = found["identical"] + found["different"]
    return found
