# SPDX-License-Identifier: Apache-2.0
"""Commands about segments: what conditions may name, who would be in one, declare it, list them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.rules.lists import entries
from heptad.service.rules.segments import Segments, count, known, members, read
from heptad.standards.errors import ContractError
from heptad.standards.model import Customer
from heptad.standards.time import day, format_instant, parse_instant

if TYPE_CHECKING:
    from heptad.runtime import Platform
    from heptad.service.rules.segments import Segment

LONGEST_DAYS = 400


def list_segments(platform: Platform) -> dict[str, Any]:
    """List the declared segments, and what conditions may name."""
    found = Segments(platform.catalog.settings, platform.apps).all()
    return {
        "segments": [_line(platform, name, versions[-1]) for name, versions in found.items()],
        "known": [
            {"name": o.name, "kind": o.kind, "unit": o.unit, "means": o.means, "codes": [*o.codes]}
            for o in known(platform.apps).values()
        ],
    }


def _line(platform: Platform, name: str, last: dict[str, Any]) -> dict[str, Any]:
    try:
        says, broken = str(read(last["when"], platform.apps).tree), ""
    except Exception as error:  # noqa: BLE001 - a feature that it named may be gone
        says, broken = "", str(error).partition("\n")[0]
    return {"segment": name, "says": says, "broken": broken} | last


def try_segment(  # noqa: PLR0913, PLR0917 - what a read is
    platform: Platform,
    when: Any = None,
    name: str = "",
    at: str = "",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Count who would be in a segment: all of it, each part alone, and some of its members.

    Args:
        platform: the open project.
        when: the condition; that of a declared segment if left out.
        name: of the declared segment.
        at: as of which instant; now by default.
        purpose: why; that of the declared segment if left out.
        role: in which role; the platform's own by default.
        who: who asks; the platform's own by default.
    """
    if when is None:
        last = Segments(platform.catalog.settings, platform.apps).versions(name)[-1]
        when, purpose = last["when"], purpose or last["purpose"]
    segment = read(when, platform.apps)
    t = parse_instant(at) if at else platform.guard.now()
    with _reading(platform, segment, purpose, role, who) as access:
        found = count(segment, access, platform.reads.under(access), platform.keys, t=t)
    units = {one.name: one.unit for one in segment.uses}
    return {
        "says": str(segment.tree), "when": segment.tree.to_json(), "at": format_instant(t),
        "of": found.of, "looked": found.looked, "members": found.members,
        "alone": list(found.alone), "units": units,
        "sample": [{n: _plain(v) for n, v in row.items()} for row in found.sample],
    }  # fmt: skip


def _reading(platform: Platform, segment: Segment, purpose: str, role: str, who: str) -> Any:
    reader = {"who": who or platform.who, "role": role or platform.role}
    why = purpose or platform.purpose
    return platform.guard.computing("segment", segment.features, purpose=why, **reader)


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def declare(  # noqa: PLR0913, PLR0917 - what is kept of it
    platform: Platform,
    name: str,
    when: Any,
    note: str = "",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Keep a condition as a segment, or as a further version of one."""
    by: dict[str, str] = {
        "purpose": purpose or platform.purpose, "who": who or platform.who,
    }  # fmt: skip
    with platform.guard.reading(
        "declare", role=role or platform.role, segment=name, **by
    ) as access:
        access.ground(Customer)
        made = Segments(platform.catalog.settings, platform.apps).declare(
            name, when, note=note, now=platform.clock.now(), **by
        )
    return _line(platform, name, made)


def put_on_list(  # noqa: PLR0913, PLR0917 - who is put where, for how long
    platform: Platform,
    name: str,
    kind: str = "watch",
    days: int = 30,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Put all who are in a segment now on the list of its name, for some days; flows ask for it."""
    if not 1 <= days <= LONGEST_DAYS:
        raise ContractError(f"Entries last 1 to {LONGEST_DAYS} days.", got=days)
    last = Segments(platform.catalog.settings, platform.apps).versions(name)[-1]
    segment, now = read(last["when"], platform.apps), platform.guard.now()
    with _reading(platform, segment, purpose or last["purpose"], role, who) as access:
        keys = members(segment, access, platform.reads.under(access), t=now)
    made = entries(
        [{"id": key} for key in keys], name=name, kind=kind, of="Customer", column="id",
        since=now, until=now + days * day,
    )  # fmt: skip
    report = platform.store("Listing", made, source=f"segment {name}") if made else None
    return {"list": name, "members": len(keys), "stored": len(report.accepted) if report else 0}
