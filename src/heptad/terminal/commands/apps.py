# SPDX-License-Identifier: Apache-2.0
"""Commands about applications."""

from __future__ import annotations

from inspect import getdoc, getmodule
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.runtime import Platform


def list_apps(platform: Platform) -> dict[str, Any]:
    """List the applications found."""
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
            for a in platform.apps.values()
        ]
    }


def show_app(platform: Platform, name: str) -> dict[str, Any]:
    """Show one application: what it decides on, reads and answers."""
    app = platform.app(name)
    module = getmodule(app.decide)
    counts = platform.catalog.decisions.counts(name)
    return {
        "name": app.name,
        "title": app.title,
        "on": app.on.__name__,
        "purpose": app.purpose,
        "decide": getdoc(app.decide) or "",
        "module": module.__name__ if module else "",
        "policy": platform.policy(app),
        "features": {n: f.sentence() for n, f in app.features.items()},
        "inputs": list(app.model.inputs) if app.model else [],
        "pages": [{"path": p.path, "question": p.question} for p in app.pages],
        "decisions": counts,
        "code": app.code_version(),
    }


def show_page(platform: Platform, name: str, path: str) -> dict[str, Any]:
    """Read what a declared page of an application shows.

    Raises:
        UnknownName: if the application declares no such page.
    """
    pages = {page.path: page for page in platform.app(name).pages}
    if path not in pages:
        raise UnknownName(f"{name} has no page {path!r}.", got=path, do=suggest(path, pages))
    page = pages[path]
    data = {what: _read(platform, what, text) for what, text in page.reads.items()}
    return {"app": name, "path": path, "question": page.question, "form": page.form, "data": data}


def _read(platform: Platform, what: str, text: str) -> Any:
    """Read one thing that a page names: `decisions` or `model`, with arguments as `app=fraud`."""
    if what not in _READS:
        raise ContractError(
            "A page reads something that cannot be read.", got=what, do=suggest(what, _READS)
        )
    return _READS[what](platform, **dict(part.split("=", 1) for part in text.split()))


def _decisions(platform: Platform, **arguments: Any) -> list[dict[str, Any]]:
    from heptad.terminal.commands.decisions import list_decisions

    found: list[dict[str, Any]] = list_decisions(platform, **arguments)["decisions"]
    return found


def _model(platform: Platform, app: str) -> dict[str, Any] | None:
    from heptad.terminal.commands.models import line

    champion = platform.catalog.models.champion(app)
    return None if champion is None else line(champion)


_READS: dict[str, Callable[..., Any]] = {"decisions": _decisions, "model": _model}
