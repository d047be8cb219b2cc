# SPDX-License-Identifier: Apache-2.0
"""Commands about decisions: make, list, explain, replay, export."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from heptad.service.decisions.sentences import sentence
from heptad.standards.errors import InputError, UnknownName
from heptad.standards.time import as_of, format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.runtime import Platform
    from heptad.service.decisions.records import Opened

SHOWN = 20


def _one(platform: Platform, app: str, text: str) -> dict[str, Any]:
    """Store and decide one new row, given as JSON."""
    try:
        given = json.loads(text)
    except ValueError as error:
        raise InputError("The row is no JSON.", got=text, do=str(error)) from error
    if not isinstance(given, dict):
        raise InputError("A row is a JSON object.", got=text, do='write {"id": "…", …}')
    entry = platform.decide_one(app, row=given)
    shown = row(platform, entry)
    found = {"decided": 1, "outcomes": {shown["outcome"]: 1}, "erased": 0}
    on = platform.app(app).on.__name__
    return {"app": app, "on": on, **found, "decisions": [shown]}


def decide(
    platform: Platform,
    app: str,
    keys: Sequence[str] = (),
    since: str = "",
    until: str = "",
    new: str = "",
) -> dict[str, Any]:
    """Decide rows of an application's table that have no decision yet, or one new row."""
    from heptad.standards.time import EARLIEST, LATEST

    if new:
        return _one(platform, app, new)
    between = None
    if since or until:
        between = (
            parse_instant(since) if since else EARLIEST,
            parse_instant(until) if until else LATEST,
        )
    outcomes: Counter[str] = Counter()
    first: list[Opened] = []
    found: set[str] = set()
    erased: list[str] = []
    table = platform.app(app).on.__name__
    each = platform.decide_each(app, keys=list(keys) or None, between=between, erased=erased)
    for batch in each:
        outcomes.update(entry.public["outcome"] for entry in batch)
        first += batch[: SHOWN - len(first)]
        found.update(entry.public["row_key"] for entry in batch if keys)
    found.update(erased if keys else ())
    if keys and len(found) < len(set(keys)):
        missing = next(k for k in keys if k not in found)
        raise UnknownName(
            f"{table} has no row {missing!r}.", got=missing, do=f"see `heptad tables rows {table}`"
        )
    return {
        "app": app,
        "on": table,
        "decided": outcomes.total(),
        "outcomes": dict(sorted(outcomes.items())),
        "erased": len(erased),
        "decisions": [row(platform, entry) for entry in first],
    }


def row(platform: Platform, entry: Opened) -> dict[str, Any]:
    """Return one decision as a line of a list."""
    public = entry.public
    app = platform.apps.get(public["app"])
    reasons: list[str] = list(public["reasons"])
    if entry.decision is not None and app is not None:
        reasons = [sentence(app, r) for r in entry.decision.reasons]
    return {
        "id": public["id"],
        "app": public["app"],
        "on": f"{public['on']} {public['row_key']}",
        "when": format_instant(public["event_time"]),
        "outcome": public["outcome"],
        "why": "; ".join(reasons),
        "erased": entry.erased,
    }


def list_decisions(  # noqa: PLR0913, PLR0917 - what a list is chosen by
    platform: Platform,
    app: str = "",
    outcome: str = "",
    subject: str = "",
    cursor: str = "",
    limit: int = 20,
    until: str = "",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """List decisions, newest first; until an instant, only of what had happened by then.

    Those of persons without a basis for the purpose are left out.
    """
    wanted = platform.app(app).purpose if app else ""
    edge = as_of(until)
    if subject and ":" not in subject:
        subject = platform.erasing.person(subject).subject
    page = platform.catalog.decisions.page(
        app=app or None,
        outcome=outcome or None,
        subject=subject or None,
        cursor=cursor or None,
        limit=limit,
        until=edge,
    )
    found = platform.log.stored(e.id for e in page.entries)
    asked = {"app": app, "outcome": outcome, "subject": subject}
    with platform.reviewing(
        "decisions", wanted, purpose=purpose or None, role=role, who=who, **asked
    ) as access:
        seen = access.reviewed(platform.apps, [found[e.id] for e in page.entries])
    return {
        "decisions": [row(platform, entry) for entry in seen],
        "cursor": page.cursor,
        "counts": platform.catalog.decisions.counts(app or None, at=edge),
    }


def explain(  # noqa: PLR0913, PLR0917 - what is explained to whom
    platform: Platform,
    id: str,  # noqa: A002 - the field's term
    to: str = "officer",
    language: str = "en",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Explain one decision to an engineer, an officer or the customer."""
    name = full_id(platform, id)
    return platform.explain(
        name, to, language=language, purpose=purpose or None, role=role, who=who
    )


def full_id(platform: Platform, start: str) -> str:
    """Complete an id that is given by its first characters.

    Raises:
        UnknownName: if no decision, or more than one, begins so.
    """
    found = platform.catalog.decisions.starting(start, limit=2)
    if len(found) == 1 or start in found:
        return start if start in found else found[0]
    what = "There is no decision of this id." if not found else "Several decisions begin so."
    raise UnknownName(what, got=start, do="see `heptad decisions`, or give more of the id")


def replay(
    platform: Platform,
    ids: Sequence[str] = (),
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Replay decisions, all by default: decide again, derive again, compare bit for bit."""
    chosen = [full_id(platform, i) for i in ids] or None
    report = platform.replay(chosen, purpose=purpose or None, role=role, who=who).to_dict()
    report["of"] = len(chosen) if chosen else len(platform.log)
    return report


def export_decisions(platform: Platform, app: str = "", purpose: str = "") -> dict[str, Any]:
    """Export decisions as plain data, in log order, with one hash over all of them."""
    digest = hashlib.sha256()
    rows = []
    wanted = platform.app(app).purpose if app else ""
    entries = (e for e in platform.log.entries() if not app or e.public["app"] == app)
    with platform.reviewing("export", wanted, purpose=purpose or None, app=app) as access:
        for entry in access.each_reviewed(platform.apps, entries):
            if entry.decision is None:
                rows.append({**entry.public, "erased": True})
                continue
            digest.update(entry.decision.to_bytes())
            rows.append(entry.decision.to_dict())
    return {"decisions": rows, "sha256": digest.hexdigest()}
