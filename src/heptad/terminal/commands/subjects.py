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
                "left": platform.erasing.left(e.subject),
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


def revive_subject(
    platform: Platform, subject: str, reason: str, who: str = "", role: str = ""
) -> dict[str, Any]:
    """Let a person who was erased come back: what comes from now on is sealed under a new key."""
    name = platform.erasing.revive(
        subject, reason, who=who or platform.who, role=role or platform.role
    )
    return {"subject": name, "state": platform.erasing.show(name)["state"]}


def report_subject(
    platform: Platform, subject: str, who: str = "", role: str = ""
) -> dict[str, Any]:
    """Report to a person all that is held of them, from where, who read it and on what basis."""
    from heptad.service.subjects.report import report

    return report(platform, subject, who=who, role=role)


def show_regime(platform: Platform) -> dict[str, Any]:
    """Show what the law that the project chose asks, with where each rule is written."""
    from dataclasses import asdict

    from heptad.service.subjects.regimes import regime

    law = regime(platform.project.regime)
    return {
        "regime": law.name,
        "title": law.title,
        "as_of": law.as_of,
        "rules": [asdict(rule) for rule in law.rules.values()],
        "bases": [{"purpose": p, "basis": b, "rule": r} for p, (b, r) in law.bases.items()],
        "retention": [asdict(kept) for kept in law.retention],
        "report_days": law.report_days,
        "letter_days": law.letter_days,
        "rights": list(law.rights),
    }


def write_letter(
    platform: Platform, decision: str, purpose: str = "", role: str = "", who: str = ""
) -> dict[str, Any]:
    """Write the letter with the reasons of a decision, in the form that the law asks for."""
    from heptad.service.subjects.regimes import reason_letter, regime
    from heptad.standards.errors import UnknownName
    from heptad.terminal.commands.decisions import full_id

    name = full_id(platform, decision)
    entry = platform.log.get(name)
    app = platform.app(str(entry.public["app"]))
    with platform.reviewing(
        "letter", app.purpose, purpose=purpose or None, role=role, who=who, decision=name
    ) as access:
        seen = access.decisions(app, [entry])
    if not seen or entry.decision is None:
        raise UnknownName("There is nothing to write about.", got=name)
    return reason_letter(
        regime(platform.project.regime), app, entry.decision, platform.project.name
    )
