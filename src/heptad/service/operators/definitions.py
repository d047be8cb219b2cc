# SPDX-License-Identifier: Apache-2.0
"""The definitions that features have had in a project, each with the instant from which it held."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.catalog import Catalog
    from heptad.service.app import App


@dataclass(frozen=True, slots=True)
class Held:
    """A definition of a feature.

    Attributes:
        change: number of the change of the application's definitions that brought it, from 1.
        version: hash of the definition; "" from when the feature was no longer declared.
        since: the instant at which the project was first opened with it, microseconds.
        sentence: what was computed, in words.
        definition: as plain data.
    """

    change: int
    version: str
    since: int
    sentence: str
    definition: Mapping[str, Any]


def note(catalog: Catalog, apps: Mapping[str, App], now: int) -> list[str]:
    """Keep the definitions that are not those of the last opening.

    Returns:
        `app.feature` of each that is new, changed or gone.
    """
    found: list[str] = []
    for app in apps.values():
        kept: dict[str, list[dict[str, Any]]] = catalog.settings.get(_name(app.name)) or {}
        changes = {
            name: {"version": f.version(), "sentence": f.sentence(), "definition": f.definition()}
            for name, f in app.features.items()
            if _last(kept, name) != f.version()
        }
        for name in kept.keys() - app.features.keys():
            if _last(kept, name):
                changes[name] = {"version": "", "sentence": "", "definition": {}}
        number = 1 + max((one["change"] for held in kept.values() for one in held), default=0)
        for name, change in changes.items():
            kept.setdefault(name, []).append(change | {"change": number, "since": now})
        if changes:
            catalog.settings.set(_name(app.name), kept)
            found += [f"{app.name}.{name}" for name in sorted(changes)]
    return found


def versions(catalog: Catalog, app: str) -> dict[str, list[Held]]:
    """Return the definitions that each feature of an application has had, the last one last."""
    kept = catalog.settings.get(_name(app)) or {}
    return {name: [Held(**one) for one in held] for name, held in kept.items()}


def behind(catalog: Catalog, app: str, wanted: str) -> dict[str, Mapping[str, Any]]:
    """Return the definitions by feature that a decision was made with.

    Args:
        catalog: of the project.
        app: the application.
        wanted: the hash over its definitions that the decision names.

    Returns:
        Feature → definition; empty if the project was never opened with them.
    """
    kept = catalog.settings.get(_name(app)) or {}
    # Clocks may step back, so that changes are told apart by their number.
    changes = {one["change"] for held in kept.values() for one in held}
    for change in sorted(changes, reverse=True):
        held = {
            name: before[-1]
            for name, had in kept.items()
            if (before := [one for one in had if one["change"] <= change]) and before[-1]["version"]
        }
        if hash_of({name: one["version"] for name, one in held.items()}) == wanted:
            return {name: one["definition"] for name, one in sorted(held.items())}
    return {}


def hash_of(features: Mapping[str, str]) -> str:
    """Return the hash over the definitions of an application, as its decisions name it.

    Args:
        features: feature → version.
    """
    text = "\0".join(f"{name}={version}" for name, version in sorted(features.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _name(app: str) -> str:
    return f"features:{app}"


def _last(kept: Mapping[str, list[dict[str, Any]]], name: str) -> str | None:
    """Return the version that was declared last, "" if it is gone, None if there was none."""
    return str(kept[name][-1]["version"]) if name in kept else None
