# SPDX-License-Identifier: Apache-2.0
"""Commands about keys for the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.security.apikeys import ApiKeys
from heptad.standards.time import day, format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.runtime import Platform


def _keys(platform: Platform) -> ApiKeys:
    return ApiKeys(platform.catalog.keys, platform.keys.pepper("api"), platform.clock)


def issue_key(
    platform: Platform, role: str, purposes: Sequence[str], days: int = 90, name: str = ""
) -> dict[str, Any]:
    """Issue a key; its text is shown this once."""
    issued = _keys(platform).issue(
        name or role, role, purposes, expires=platform.clock.now() + days * day
    )
    return {
        "key": issued.text,
        "id": issued.record.id,
        "role": role,
        "purposes": sorted(issued.record.purposes),
        "expires": format_instant(issued.record.expires or 0),
    }


def list_keys(platform: Platform) -> dict[str, Any]:
    """List the keys issued, without their text, which nobody has."""
    return {
        "keys": [
            {
                "id": k.id,
                "name": k.name,
                "role": k.role,
                "purposes": sorted(k.purposes),
                "expires": format_instant(k.expires) if k.expires else None,
                "last_used": format_instant(k.last_used) if k.last_used else None,
                "revoked": k.revoked is not None,
            }
            for k in _keys(platform).all()
        ]
    }


def revoke_key(platform: Platform, key: str) -> dict[str, Any]:
    """Revoke a key, from the next request on."""
    _keys(platform).revoke(key)
    return {"revoked": key}
