# SPDX-License-Identifier: Apache-2.0
"""Commands about who may call, and who read what: keys for the HTTP API, the access log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.security.access import TAG_BYTES
from heptad.security.apikeys import ApiKeys
from heptad.standards.time import as_of, day, format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.runtime import Platform
    from heptad.security.access import Entry


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


def rotate_keys(platform: Platform) -> dict[str, Any]:
    """Put a new key-encryption key in the place of the old one, which is destroyed.

    Keys of persons, signatures and tokens stay as they are; copies of the key store made before
    open nothing any more, backups among them.
    """
    platform.room.require()
    epoch = platform.keys.new_epoch()
    platform.keys.purge()
    return {"epoch": epoch, "keys": len(platform.keys)}


def list_accesses(  # noqa: PLR0913, PLR0917 - what reads are chosen by
    platform: Platform,
    subject: str = "",
    since: str = "",
    until: str = "",
    limit: int = 20,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """List who read what about whom and why, the newest first; this too is a read.

    Args:
        platform: the open project.
        subject: only reads about one person: `Customer:42`, or a customer's key.
        since: only those from this instant on, ISO 8601.
        until: only those up to this instant, ISO 8601.
        limit: most of them.
        purpose: audit or legal; what the role has of them by default.
        role: in which role; the platform's own by default.
        who: the account that asks; the platform's own by default.
    """
    about = subject if ":" in subject or not subject else f"Customer:{subject}"
    found = platform.accesses(
        subject=about,
        since=as_of(since),
        until=as_of(until),
        limit=limit,
        purpose=purpose or None,
        role=role,
        who=who,
    )
    return {"accesses": [_line(entry) for entry in found], "entries": len(platform.access)}


def _line(entry: Entry) -> dict[str, Any]:
    """Return an entry of the access log as a line of a list."""
    record, detail = entry.record, dict(entry.detail)
    about = detail.pop("about", [])
    bases = sorted({basis for basis in record.grounds.values() if basis})
    return {
        "number": entry.place,
        "when": format_instant(record.at),
        "who": record.who,
        "role": record.role,
        "purpose": record.purpose,
        "basis": ", ".join(bases),
        "action": record.action,
        "result": record.result,
        "tables": sorted(record.grounds),
        "columns": dict(record.columns),
        "rows": record.rows,
        "people": record.people,
        "about": list(about),
        "named": record.people * TAG_BYTES == len(record.tags),
        "asked": detail,
    }


def verify_accesses(platform: Platform) -> dict[str, Any]:
    """Read every byte of the access log, recompute its tree and check every signature."""
    found = platform.access.verify()
    return {
        "entries": found.entries,
        "root": found.root.hex(),
        "heads": found.heads,
        "note": platform.access.ledger.checkpoint(),
        "verified": True,
    }
