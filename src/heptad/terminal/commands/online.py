# SPDX-License-Identifier: Apache-2.0
"""Commands about online features: keep them for all keys, read those of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.decisions.explaining import shown
from heptad.service.features import unit_of
from heptad.standards.errors import ContractError, InputError
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.runtime import Platform
    from heptad.service.features import Feature

MOST_FEATURES = 1_000


def backfill(
    platform: Platform,
    features: Sequence[str] = (),
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Keep values of features for every key; a served project keeps them up from then on."""
    wanted = chosen(platform, features)
    filled = platform.served.backfill(wanted, progress or (lambda _what, _share: None))
    return {"features": filled.features, "keys": filled.keys}


def check(platform: Platform) -> dict[str, Any]:
    """Say of every feature whether it is kept online, and how far."""
    lines = []
    for app in platform.apps.values():
        for name, feature in app.features.items():
            marks = platform.served.marks(feature)
            state = "behind" if platform.served.is_behind(feature) else "current"
            lines.append({
                "name": f"{app.name}.{name}", "version": feature.version(),
                "kept": "never filled" if marks is None else state,
                "loads": ", ".join(f"{t} {n}" for t, n in (marks or {}).items()),
            })  # fmt: skip
    return {"features": lines}


def read(  # noqa: PLR0913, PLR0917 - what a read is
    platform: Platform,
    keys: Mapping[str, str],
    features: Sequence[str],
    exact: bool = True,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Read features of one key as of now, each with how fresh it is."""
    wanted = chosen(platform, features)
    found = platform.online(
        keys, wanted, exact=exact, purpose=purpose or None, role=role, who=who
    ).readings
    return {
        "keys": dict(keys),
        "features": [
            {
                "name": f.name,
                "value": found[f.name].value,
                "unit": unit_of(f),
                "shown": shown(found[f.name].value, unit_of(f)),
                "state": found[f.name].state,
                "at": None if (at := found[f.name].at) is None else format_instant(at),
            }
            for f in wanted
        ],
    }


def pairs(given: Sequence[str]) -> dict[str, str]:
    """Read keys written as ENTITY=KEY.

    Raises:
        InputError: if one is not written so.
    """
    found = {}
    for text in given:
        entity, sign, key = text.partition("=")
        if not sign or not key:
            raise InputError("A key is written ENTITY=KEY.", got=text, do="say Customer=42")
        found[entity] = key
    return found


def chosen(platform: Platform, names: Sequence[str]) -> list[Feature]:
    """Find features by `app.name`; an application stands for all of its own, nothing for all."""
    listed = []
    for name in names or list(platform.apps):
        inner = platform.apps[name].features if name in platform.apps else None
        listed += [name] if inner is None else [f"{name}.{feature}" for feature in inner]
    if len(listed) > MOST_FEATURES:
        raise ContractError(f"At most {MOST_FEATURES} features at once.", got=len(listed))
    return platform.features(listed)
