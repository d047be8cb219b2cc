# SPDX-License-Identifier: Apache-2.0
"""The command that carries out how long the law lets persons be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.security.keys import gone
from heptad.service.subjects.regimes import regime
from heptad.service.subjects.retaining import run_out
from heptad.standards.errors import Refused
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from heptad.runtime import Platform

PURPOSE = "legal"


def persons(
    platform: Platform, apply: bool = False, most: int = 1000, who: str = "", role: str = ""
) -> dict[str, Any]:
    """Say of whom no rule asks to keep anything any more, or erase them; never one under a hold.

    Args:
        platform: the open project.
        apply: erase them; otherwise they are only named.
        most: at most so many, those first whose last duty ran out first.
        who: who does it.
        role: in which role.
    """
    law = regime(platform.project.regime)
    given = {"who": who or platform.who, "role": role or platform.role}
    with platform.guard.reading("retention", purpose=PURPOSE, **given, regime=law.name) as access:
        stored = [t for t in platform.tables.values() if platform.lake.exists(t.__name__)]
        found = run_out(law, stored, access, platform.reads)
        access.about(one.subject for one in found)
    erased = gone(platform.keys, {one.subject for one in found})
    found = [one for one in found if one.subject not in erased]
    free = [one for one in found if not _bound(platform, one.subject)]
    chosen = free[:most]
    if apply and chosen:
        why = f"no duty of {law.title} keeps what is held any longer"
        platform.erasing.erase([one.subject for one in chosen], why, **given)
    return {
        "regime": law.name,
        "applied": apply,
        "held": len(found) - len(free),
        "of": len(free),
        "persons": [
            {"subject": one.subject, "last": format_instant(one.last),
             "until": format_instant(one.until)} for one in chosen
        ],
    }  # fmt: skip


def _bound(platform: Platform, subject: str) -> bool:
    """Whether a legal hold keeps a person."""
    try:
        platform.catalog.erasures.permit([subject])
    except Refused:
        return True
    return False
