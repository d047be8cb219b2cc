# SPDX-License-Identifier: Apache-2.0
"""Commands about messages: what was sent, what was not and why, and the switch that stops them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.standards.errors import InputError
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from heptad.runtime import Platform
    from heptad.service.outbox.messages import Message

WHY = {
    "NO_CONSENT": "the person has not agreed, or no longer",
    "NO_ADDRESS": "nobody knows where to, or may know it for this purpose",
    "NO_PROVIDER": "nobody carries any of its channels: see [[provider]]",
    "NO_TEXT": "its letter has no text, or a hole in it",
    "QUIET_HOURS": "it is night where the person is",
    "CAP": "the person was written to often enough",
    "EXPIRED": "it says nothing any more",
    "ERASED": "the person is erased",
    "STOPPED": "somebody stopped it: see `heptad outbox stops`",
    "UNSUBSCRIBED": "the person wants no such messages",
    "COMPLAINED": "the person complained of such messages",
    "BOUNCED": "messages to this address come back",
    "ADDRESS_GONE": "there is nobody at this address any more",
    "UNCERTAIN": "it may have arrived or not; nobody sends it again by itself",
}


def list_messages(  # noqa: PLR0913, PLR0917 - what a list is chosen by
    platform: Platform,
    app: str = "",
    status: str = "",
    subject: str = "",
    decision: str = "",
    limit: int = 50,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """List messages, the last one first, with why each was not sent."""
    platform.work.settle()
    wanted = platform.app(app).purpose if app else ""
    chosen = {"app": app, "status": status, "subject": subject, "decision": decision}
    found = platform.work.outbox.recent(**chosen, limit=limit)
    with platform.reviewing(
        "messages", wanted, purpose=purpose or None, role=role, who=who, **chosen
    ) as access:
        for name in {m.app for m in found} & platform.apps.keys():
            access.reviews(platform.apps[name])
        access.read.rows = len(found)
        access.about({m.subject for m in found})
    return {
        "messages": [line(m) for m in found],
        "counts": [c for c in platform.work.outbox.counts() if not app or c["app"] == app],
        "stops": sorted(platform.work.outbox.stops()),
    }


def show_message(
    platform: Platform, message: str, purpose: str = "", role: str = "", who: str = ""
) -> dict[str, Any]:
    """Show a message: what it says, and all that was said of it."""
    outbox = platform.work.outbox
    found = outbox.get(message)
    app = platform.app(found.app)
    with platform.reviewing(
        "message", app.purpose, purpose=purpose or None, role=role, who=who, message=message
    ) as access:
        access.reviews(app)
        access.read.rows = 1
        access.about([found.subject])
    text = outbox.text(found)
    return line(found) | {
        "title": text.title if text else "(erased)",
        "text": text.text if text else "(erased)",
        "receipts": [r | {"at": format_instant(r["at"])} for r in outbox.records.receipts(message)],
    }


def line(message: Message) -> dict[str, Any]:
    """Return a message as a line of a list."""
    return {
        "message": message.id,
        "app": message.app,
        "letter": message.letter,
        "subject": message.subject,
        "channel": message.channel,
        "purpose": message.purpose,
        "status": message.status,
        "why": WHY.get(message.reason, message.reason),
        "reason": message.reason,
        "attempts": message.attempts,
        "planned": format_instant(message.created),
        "sent": None if message.sent is None else format_instant(message.sent),
        "decision": message.decision or "",
    }


def send(platform: Platform, most: int | None = None) -> dict[str, Any]:
    """Send what is due and may be sent."""
    return {"came_to": platform.work.send(most)}


def publish(platform: Platform, sink: str = "") -> dict[str, Any]:
    """Send decisions to one sink, or to all."""
    return {"sinks": platform.work.publishing.publish(sink)}


def stop(platform: Platform, scope: str, reason: str, who: str = "") -> dict[str, Any]:
    """Stop sending: all, app:NAME, provider:NAME or purpose:NAME."""
    kind, mark, name = scope.partition(":")
    if scope != "all" and not (mark and name and kind in ("app", "provider", "purpose")):
        raise InputError(
            "What is stopped is all, or an app, provider or purpose.", got=scope, do="app:credit"
        )
    if len(reason.strip()) < 3:
        raise InputError("Say why, in some words.", got=reason)
    platform.work.outbox.stop(scope, who or platform.who, reason)
    return stops(platform)


def go_on(platform: Platform, scope: str) -> dict[str, Any]:
    """Let what was stopped be sent again."""
    platform.work.outbox.go_on(scope)
    return stops(platform)


def stops(platform: Platform) -> dict[str, Any]:
    """Say what is stopped, since when, by whom and why."""
    held = platform.work.outbox.stops()
    return {
        "stops": [
            {"scope": n, "since": format_instant(s["since"]), "who": s["who"], "why": s["why"]}
            for n, s in sorted(held.items())
        ]
    }


def resolve(platform: Platform, message: str, arrived: bool, who: str = "") -> dict[str, Any]:
    """Say of an uncertain message whether it arrived; what did not is sent again."""
    platform.work.outbox.resolve(message, arrived=arrived, who=who or platform.who)
    return line(platform.work.outbox.get(message))


def suppress(
    platform: Platform, subject: str, of: str = "", allow: bool = False, reason: str = "ASKED"
) -> dict[str, Any]:
    """Let nobody write to a person for a purpose, or let it be again as they ask."""
    person = platform.erasing.person(subject).subject
    records = platform.work.outbox.records
    if allow:
        records.allow(person, of)
    else:
        records.suppress_person(person, of, reason)
    return {
        "suppressions": [
            s | {"since": format_instant(s["since"])} for s in records.suppressions(1000)
            if s["subject"] == person
        ]
    }  # fmt: skip


def inbox(
    platform: Platform, subject: str, after: int = 0, who: str = "", role: str = ""
) -> dict[str, Any]:
    """Return the in-app inbox of a person, opened for the purpose service."""
    person = platform.erasing.person(subject).subject
    outbox = platform.work.outbox
    reader = {"who": who or platform.who, "role": role or platform.role, "purpose": "service"}
    with platform.guard.reading("inbox", **reader, subject=person) as access:
        access.about([person])
        found = []
        for notice in outbox.records.notices(person, after):
            text = outbox.text(outbox.get(notice.message))
            if text is not None:
                found.append(
                    {
                        "number": notice.id,
                        "at": format_instant(notice.at),
                        "title": text.title,
                        "text": text.text,
                        "seen": None if notice.seen is None else format_instant(notice.seen),
                    }
                )
        access.read.rows = len(found)
    return {"subject": person, "notices": found}
