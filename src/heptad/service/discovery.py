# SPDX-License-Identifier: Apache-2.0
"""Which applications there are, and the tables that they and the shared model declare."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, TypeVar

from heptad.standards.errors import ContractError, UnknownName, suggest
from heptad.standards.model import MODEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import EntryPoint

    from heptad.service.app import App
    from heptad.standards import Table

T = TypeVar("T")


@cache
def discover() -> dict[str, App]:
    """Find every application: folders under `heptad/apps`, then the entry points `heptad.apps`.

    Raises:
        ContractError: if two have the same name, or one is no `App`.
    """
    from heptad.service.app import App

    package = import_module("heptad.apps")
    found = {
        m.name: import_module(f"heptad.apps.{m.name}").app
        for m in pkgutil.iter_modules(package.__path__)
    }
    for point in entry_points(group="heptad.apps"):
        if point.name in found:
            raise ContractError(
                f"Two applications are named {point.name}.",
                got=point.value,
                do="rename one of them, or uninstall it",
            )
        found[point.name] = _loaded(point)
    for name, app in found.items():
        if not isinstance(app, App):
            raise ContractError(f"{name} is no App.", got=type(app).__name__, do="see `heptad new`")
    return dict(sorted(found.items()))


def _loaded(point: EntryPoint) -> App:
    """Load an application that another package brings.

    Raises:
        ContractError: if it cannot be imported; nothing works until it can, or is gone.
    """
    try:
        app: App = point.load()
    except Exception as error:
        package = point.dist.name if point.dist else point.module
        raise ContractError(
            f"The installed application {point.name} cannot be loaded.",
            got=f"{type(error).__name__}: {error}",
            do=f"correct it, or pip uninstall {package}",
        ) from error
    return app


def tables_of(apps: Iterable[App]) -> dict[str, type[Table]]:
    """Return the shared tables and those of the applications, by name."""
    found = dict(MODEL)
    for app in apps:
        for table in app.tables:
            if found.setdefault(table.__name__, table) is not table:
                raise ContractError(
                    f"{app.name} declares a table {table.__name__} that exists already.",
                    do="use the shared one, or another name",
                )
    return found


def pick(what: str, name: str, known: Mapping[str, T]) -> T:
    """Return what has a name.

    Raises:
        UnknownName: if nothing has it; it says which name was meant.
    """
    if name not in known:
        raise UnknownName(f"There is no {what} {name!r}.", got=name, do=suggest(name, known))
    return known[name]
