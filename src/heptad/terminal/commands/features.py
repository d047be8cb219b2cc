# SPDX-License-Identifier: Apache-2.0
"""Commands about features: what is declared, and its value for a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.decisions.explaining import shown
from heptad.service.features import unit_of
from heptad.standards.errors import UnknownName, suggest
from heptad.standards.time import parse_instant

if TYPE_CHECKING:
    from heptad.runtime import Platform


def list_features(platform: Platform, app: str = "") -> dict[str, Any]:
    """List the features of all applications, or of one."""
    apps = [platform.app(app)] if app else platform.apps.values()
    return {
        "features": [
            {
                "name": f"{a.name}.{name}",
                "by": feature.entity,
                "what": feature.sentence(),
                "unit": unit_of(feature),
                "version": feature.version(),
            }
            for a in apps
            for name, feature in a.features.items()
        ]
    }


def show_feature(platform: Platform, name: str) -> dict[str, Any]:
    """Show one feature: its definition, its unit and who reads it."""
    (feature,) = platform.features([name])
    app = platform.app(name.partition(".")[0])
    return {
        "name": name,
        "what": feature.sentence(),
        "unit": unit_of(feature),
        "entity": feature.entity,
        "version": feature.version(),
        "definition": feature.definition(),
        "model": bool(app.model and feature.name in app.model.inputs),
    }


def read_features(  # noqa: PLR0913, PLR0917 - what a read is
    platform: Platform,
    app: str,
    key: str,
    t: str = "",
    k: str = "",
    entity: str = "",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Read the features of one key as of an instant, now by default."""
    import pyarrow as pa

    chosen = platform.app(app)
    wanted = entity or chosen.on.subject_type()
    features = [f for f in chosen.features.values() if f.entity == wanted]
    if not features:
        entities = {f.entity for f in chosen.features.values()}
        raise UnknownName(
            f"{app} has no features of a {wanted}.", got=wanted, do=suggest(wanted, entities)
        )
    at = parse_instant(t) if t else platform.clock.now()
    known = parse_instant(k) if k else at
    spine = pa.table({wanted: [key], "event_time": [at], "known_time": [known]})
    found = platform.history(spine, features, purpose=purpose or None, role=role, who=who)
    (values,) = found.to_pylist()
    return {
        "entity": wanted,
        "key": key,
        "features": [
            {
                "name": f.name,
                "value": values[f.name],
                "unit": unit_of(f),
                "shown": shown(values[f.name], unit_of(f)),
                "what": f.sentence(),
            }
            for f in features
        ],
    }
