# SPDX-License-Identifier: Apache-2.0
"""Commands about applications."""

from __future__ import annotations

from inspect import getdoc, getmodule
from typing import TYPE_CHECKING, Any

from heptad.service.tracing import unfilled
from heptad.standards.time import as_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.runtime import Platform
    from heptad.service.app import App


def list_apps(platform: Platform) -> dict[str, Any]:
    """List the applications found, with how many decisions each has made."""
    found = listed(platform.apps)
    for line in found["apps"]:
        line["decisions"] = sum(platform.catalog.decisions.counts(line["name"]).values())
    return found


def listed(apps: Mapping[str, App]) -> dict[str, Any]:
    """Return a line for each application; no project is needed."""
    return {
        "apps": [
            {
                "name": a.name,
                "title": a.title,
                "on": a.on.__name__,
                "purpose": a.purpose,
                "features": len(a.features),
                "model": a.model is not None,
            }
            for a in apps.values()
        ]
    }


def show_app(platform: Platform, name: str, t: str = "") -> dict[str, Any]:
    """Show one application: what it decides on, reads and answers; `decisions` as of an instant."""
    from heptad.terminal.commands.pages import pages_of

    app = platform.app(name)
    module = getmodule(app.decide)
    counts = platform.catalog.decisions.counts(name, at=as_of(t))
    return {
        "name": app.name,
        "title": app.title,
        "on": app.on.__name__,
        "purpose": app.purpose,
        "decide": getdoc(app.decide) or "",
        "module": module.__name__ if module else "",
        "policy": platform.desk.policy(app),
        "features": {n: f.sentence() for n, f in app.features.items()},
        "silent": unfilled(platform.catalog, app),
        "inputs": list(app.model.inputs) if app.model else [],
        "pages": [{"path": p.path, "question": p.question} for p in pages_of(app)],
        "flow": app.flow is not None,
        "inboxes": [inbox.name for inbox in app.inboxes],
        "decisions": counts,
        "code": app.code_version(),
    }
