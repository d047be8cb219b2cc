# SPDX-License-Identifier: Apache-2.0
"""What features, models and applications are made from, recorded as lineage when it changes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from heptad import __version__
from heptad.catalog.lineage import Edge, Node
from heptad.service.decisions.decision import definitions_version
from heptad.service.features import parts_of, steps_of
from heptad.standards import Money, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from heptad.catalog import Catalog
    from heptad.catalog.models import Model
    from heptad.service.app import App
    from heptad.service.features import Feature
    from heptad.standards import Field, Table

_TRACED = "traced"
_APP, _MODEL = "app:", "model:"


def trace(catalog: Catalog, apps: Mapping[str, App]) -> int:
    """Record what the applications are made from now; what is gone ends now.

    Returns:
        How many edges began or ended.
    """
    models = {name: _models(catalog, app) for name, app in apps.items()}
    version = _version(apps.values(), models)
    if catalog.settings.get(_TRACED) == version:
        return 0
    wanted = {f"{_APP}{name}": set(_of_app(app)) for name, app in apps.items()}
    for name, app in apps.items():
        for model in models[name]:
            wanted.setdefault(f"{_MODEL}{model.name}", set()).update(_of_model(app, model))
    with catalog.transaction():
        gone = {s for s in catalog.lineage.scopes() if s.startswith((_APP, _MODEL))} - wanted.keys()
        made = sum(catalog.lineage.record(scope, ()) for scope in sorted(gone))
        for scope, edges in sorted(wanted.items()):
            made += catalog.lineage.record(scope, edges, definition=version)
        catalog.settings.set(_TRACED, version)
    return made


def unfilled(catalog: Catalog, app: App) -> dict[str, list[str]]:
    """Return the features that read columns which no load of files has filled, with these columns.

    Such a feature counts nothing, and says so nowhere else. Tables without a load are not told.
    """
    empty: dict[str, set[str]] = {}
    found: dict[str, list[str]] = {}
    for name, feature in app.features.items():
        read = dict.fromkeys(node for node, _ in _reads(feature))
        for node in read:
            if node.name not in empty:
                empty[node.name] = _empty(catalog, node.name)
            if node.column in empty[node.name]:
                found.setdefault(name, []).append(f"{node.name}.{node.column}")
    return found


def _empty(catalog: Catalog, table: str) -> set[str]:
    """Return the columns of a table that have had no value in any load."""
    last = [p.column for p in catalog.quality.latest(table) if p.missing == p.count > 0]
    past = {column: catalog.quality.history(table, column) for column in last}
    return {c for c in last if all(p.profile.missing == p.profile.count for p in past[c])}


def _models(catalog: Catalog, app: App) -> list[Model]:
    """Return the newest model, and the one that decides."""
    if app.model is None:
        return []
    found = [*catalog.models.recent(app=app.name, limit=1), catalog.models.champion(app.name)]
    return [model for model in found if model is not None]


def _version(apps: Iterable[App], models: Mapping[str, list[Model]]) -> str:
    """Return a hash of everything that the edges follow from."""
    digest = hashlib.sha256(__version__.encode())
    for app in apps:
        inputs = app.model.inputs if app.model else ()
        used = [(m.name, m.stage) for m in models[app.name]]
        digest.update(repr((app.name, definitions_version(app), list(inputs), used)).encode())
        digest.update(app.on.version_hash().encode())
    return digest.hexdigest()[:16]


def _of_app(app: App) -> Iterator[Edge]:
    """Yield the edges of an application's features, and those to the application."""
    target = Node("app", app.name)
    for name, feature in app.features.items():
        node = Node("feature", f"{app.name}.{name}")
        for origin, role in _reads(feature):
            yield Edge(origin, node, role)
        yield Edge(node, target, "feature")
    for field in app.on.fields.values():
        if not (field.sealed or (isinstance(field, Text) and field.pan)):
            yield Edge(_column(field), target, "row that is decided")


def _of_model(app: App, model: Model) -> Iterator[Edge]:
    """Yield the edges of a model; only the one in use leads to its application."""
    if app.model is None:
        return
    node = Node("model", model.name)
    for name in app.model.inputs:
        known = name in app.features
        origin = Node("feature", f"{app.name}.{name}") if known else _column(app.on.fields[name])
        yield Edge(origin, node, "input")
    yield Edge(_column(app.model.target), node, "what is learned")
    yield Edge(_column(app.model.link), node, "which row is labelled")
    if model.stage == "champion":
        yield Edge(node, Node("app", app.name), "score")


def _reads(feature: Feature) -> Iterator[tuple[Node, str]]:
    """Yield the columns that a feature reads, each with its part in the definition."""
    for part in parts_of([feature]):
        yield _column(part.of), part.op
        yield from _keys(part)
        for name in part.where.columns() if part.where is not None else ():
            yield _named(part.table, name), "where"
        yield from _money(part)


def _keys(feature: Feature) -> Iterator[tuple[Node, str]]:
    """Yield what decides which rows are in the window of which key."""
    path = tuple(dict.fromkeys(field for by in feature.keys for field in steps_of(by)))
    for field in path:
        yield _column(field), "by"
    for table in dict.fromkeys(field.table for field in path):
        for name in ("event_time", "known_time"):
            yield Node("table", table.__name__, name), "window"
        yield _column(table.key), "row"


def _money(feature: Feature) -> Iterator[tuple[Node, str]]:
    """Yield what a conversion reads."""
    from heptad.standards.model import Rate

    if feature.into and isinstance(feature.of, Money):
        yield _named(feature.table, feature.of.currency), "currency"
        for name in ("event_time", "known_time", "base", "quote", "rate"):
            yield Node("table", Rate.__name__, name), "currency"


def _named(table: type[Table], column: str) -> Node:
    """Return the field that a stored column belongs to."""
    of = {c.name: f.name for f in table.fields.values() for c in f.columns()}
    return Node("table", table.__name__, of.get(column, column))


def _column(field: Field) -> Node:
    return Node("table", field.table.__name__, field.name)
