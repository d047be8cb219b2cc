# SPDX-License-Identifier: Apache-2.0
"""Commands about persons: what is held of them, erasing them, legal holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.security.erasure import is_genuine
from heptad.standards.time import format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.runtime import Platform


def show_subject(platform: Platform, subject: str) -> dict[str, Any]:
    """Say what is held of a person, without a value of it, and what became of them."""
    return platform.erasing.show(subject)


def erase_subjects(
    platform: Platform, subjects: Sequence[str], reason: str, who: str = "", role: str = ""
) -> dict[str, Any]:
    """Erase persons from every store, and end the epoch of the keys."""
    done = platform.erasing.erase(
        subjects, reason, who=who or platform.who, role=role or platform.role
    )
    public = platform.keys.public_key()
    return {
        "epoch": platform.keys.epoch,
        "erased": [
            {
                "subject": e.subject,
                "ended": format_instant(e.ended or 0),
                "held": list((e.receipt or {}).get("held", ())),
                "genuine": is_genuine(e.receipt or {}, public),
            }
            for e in done
        ],
        "uncovered": platform.erasing.uncovered(),
    }


def hold_subject(
    platform: Platform, subject: str, until: str, reason: str, who: str = "", role: str = ""
) -> dict[str, Any]:
    """Declare a legal hold: the person is not erased until it ends."""
    made = platform.erasing.hold(
        subject,
        parse_instant(until),
        reason,
        who=who or platform.who,
        role=role or platform.role,
    )
    return {"subject": made.subject, "hold": made.id, "until": format_instant(made.until)}


def release_subject(
    platform: Platform, subject: str, reason: str, who: str = "", role: str = ""
) -> dict[str, Any]:
    """Release the legal holds that bind a person now."""
    released = platform.erasing.release(
        subject, reason, who=who or platform.who, role=role or platform.role
    )
    name = platform.erasing.person(subject).subject
    return {"subject": name, "released": [hold.id for hold in released]}
