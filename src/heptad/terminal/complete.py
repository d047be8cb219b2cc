# SPDX-License-Identifier: Apache-2.0
"""Shell completion of the names that a project and its applications know; never an error."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heptad.service.app import App


def complete_table(incomplete: str) -> list[str]:
    """Complete a table: a shared one, or one that an application brings."""
    from heptad.standards.model import MODEL

    return _starting(incomplete, {*MODEL, *(t.__name__ for a in _apps() for t in a.tables)})


def complete_app(incomplete: str) -> list[str]:
    """Complete an application."""
    return _starting(incomplete, (app.name for app in _apps()))


def complete_feature(incomplete: str) -> list[str]:
    """Complete a feature, `app.feature`."""
    return _starting(incomplete, _features())


def complete_node(incomplete: str) -> list[str]:
    """Complete what lineage knows: `Table.field`, `app.feature`, an application."""
    from heptad.standards.model import MODEL

    fields = (f"{name}.{field}" for name, table in MODEL.items() for field in table.fields)
    return _starting(incomplete, {*fields, *_features(), *(app.name for app in _apps())})


def complete_source(incomplete: str) -> list[str]:
    """Complete a source of the project in this folder or above."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        try:
            document = tomllib.loads((folder / "heptad.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        sources = [s for s in document.get("source", []) if isinstance(s, dict)]
        names = (s.get("name", s.get("table")) for s in sources)
        return _starting(incomplete, (name for name in names if isinstance(name, str)))
    return []


def _features() -> list[str]:
    return [f"{app.name}.{name}" for app in _apps() for name in app.features]


def _apps() -> list[App]:
    """Return the applications found; none if one of them is broken, which is told elsewhere."""
    try:
        from heptad.runtime import discover

        return list(discover().values())
    except Exception:  # noqa: BLE001 - the shell's prompt is no place for errors
        return []


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


Table = Annotated[str, typer.Argument(help="Table.", autocompletion=complete_table)]
AppName = Annotated[
    str, typer.Argument(metavar="APP", help="Application.", autocompletion=complete_app)
]
AppOption = Annotated[
    str, typer.Option("--app", help="One application.", autocompletion=complete_app)
]
