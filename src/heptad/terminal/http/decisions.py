# SPDX-License-Identifier: Apache-2.0
"""Routes about applications and their decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request

from heptad.standards.errors import InputError
from heptad.terminal.commands import run
from heptad.terminal.commands.decisions import full_id, row
from heptad.terminal.http.access import (
    Caller,
    Opened,
    Reader,
    Reads,
    require_decider,
    require_writer,
)
from heptad.terminal.http.answers import (
    AppInfo,
    AppList,
    Changes,
    Explanation,
    Proof,
    Referred,
    Replay,
)
from heptad.terminal.http.problems import RESPONSES, WrongMedia
from heptad.terminal.http.schemas import Decided, DecidePlease, DecisionPage, Id, ReferPlease

if TYPE_CHECKING:
    from heptad.runtime import Platform

router = APIRouter(prefix="/v1", tags=["decisions"], responses=RESPONSES)


@router.get("/apps")
def apps(platform: Opened, _: Caller) -> AppList:
    """List the applications."""
    return AppList(**run(platform, "apps.list", {}))


@router.get("/apps/{app}")
def app(
    app: str,
    platform: Opened,
    _: Caller,
    t: Annotated[
        str,
        Query(description="Count what had happened by then, ISO 8601.", examples=["2026-03-01"]),
    ] = "",
) -> AppInfo:
    """Show an application: what it decides on and reads, its policy, its pages."""
    return AppInfo(**run(platform, "apps.show", {"name": app, "t": t}))


def json_only(request: Request) -> None:
    """Let bodies in that are JSON and say so; a web page cannot send such from elsewhere.

    Raises:
        WrongMedia: if a body is another kind.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongMedia("A decision is asked for in JSON.", got=kind, do="say application/json")


@router.post("/apps/{app}/decide", dependencies=[Depends(json_only)])
def decide(
    app: str,
    please: DecidePlease,
    platform: Opened,
    who: Caller,
    idempotency_key: Annotated[
        Id | None,
        Header(
            description="Becomes the decision's id; repeat it with the same body.",
            examples=["order-2026-000017"],
        ),
    ] = None,
) -> Decided:
    """Decide one row.

    With the same Idempotency-Key and body the first decision is answered again; with another body
    the answer is 409, and nothing of it is stored. Without a key the id is derived from the row.
    """
    require_decider(who, platform, app)
    if (please.row is None) == (please.key is None):
        raise InputError(
            "Give either a row or the key of one.",
            do='send {"row": {…}}, or {"key": "…"} of a stored row',
        )
    if please.row is not None:
        require_writer(who)
    entry = platform.decide_one(app, row=please.row, key=please.key, name=idempotency_key)
    return Decided(**row(platform, entry))


@router.get("/decisions")
def decisions(
    platform: Opened,
    reader: Reads,
    app: Annotated[str, Query(description="One application.", examples=["fraud"])] = "",
    outcome: Annotated[
        str, Query(description="One outcome, or several with commas.", examples=["hold"])
    ] = "",
    subject: Annotated[str, Query(description="One subject.", examples=["Customer:42"])] = "",
    until: Annotated[
        str, Query(description="What had happened by then, ISO 8601.", examples=["2026-03-01"])
    ] = "",
    cursor: Annotated[str, Query(description="`cursor` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=500, description="Most decisions.")] = 50,
) -> DecisionPage:
    """List decisions, newest first, page by page.

    Pages that follow a cursor do not change while decisions are added. Those of all applications
    are listed for a review only: under the purpose audit or legal.
    """
    told = reader.of(platform, app)
    arguments = {"app": app, "outcome": outcome, "subject": subject, "until": until}
    more = {"cursor": cursor, "limit": limit}
    return DecisionPage(**run(platform, "decisions.list", arguments | more | told))


@router.get("/decisions/{decision}", response_model_exclude_unset=True)
def decision(
    decision: str,
    platform: Opened,
    reader: Reads,
    to: Annotated[
        Literal["engineer", "officer", "customer"], Query(description="For whom.")
    ] = "officer",
    language: Annotated[Literal["en", "zh"], Query(description="Of the sentences.")] = "en",
) -> Explanation:
    """Explain a decision: reasons, values, score, policy, versions.

    Its first characters name it if no other decision begins so.
    """
    name, told = _readable(reader, platform, decision)
    arguments = {"id": name, "to": to, "language": language}
    return Explanation(**run(platform, "explain", arguments | told))


@router.get("/decisions/{decision}/changes")
def change(decision: str, platform: Opened, reader: Reads) -> Changes:
    """Say which smallest permitted changes would have had a decision approved."""
    name, told = _readable(reader, platform, decision)
    return Changes(**run(platform, "flow.change", {"id": name} | told))


@router.post("/decisions/{decision}/refer", dependencies=[Depends(json_only)])
def refer(decision: str, please: ReferPlease, platform: Opened, who: Caller) -> Referred:
    """Put a decision to a person, who may come to another outcome with somebody else's yes."""
    name = full_id(platform, decision)
    require_decider(who, platform, platform.catalog.decisions.get(name).app)
    asked = {"decision": name, "reason": please.reason, "who": who.id, "role": who.role}
    return Referred(**run(platform, "cases.refer", asked))


@router.post("/decisions/{decision}/replay")
def replay(decision: str, platform: Opened, reader: Reads) -> Replay:
    """Decide again and derive again from what was stored, and compare bit for bit."""
    name, told = _readable(reader, platform, decision)
    return Replay(**run(platform, "replay", {"ids": [name]} | told))


@router.get("/decisions/{decision}/proof")
def proof(decision: str, platform: Opened, reader: Reads) -> Proof:
    """Prove that a decision is in the log: its leaf, the path to the root and the signed head."""
    from heptad.security.merkle import leaf_hash
    from heptad.security.notes import read_note

    name, told = _readable(reader, platform, decision)
    entry = platform.catalog.decisions.get(name)
    with platform.guard.reading("proof", **told, decision=name) as access:
        access.about([entry.subject])
    ledger = platform.log.ledger
    # The log may grow meanwhile: size, root and path are those of this one note.
    note = ledger.checkpoint()
    head = read_note(note, ledger.origin, platform.keys.public_key())
    return Proof(
        index=entry.place,
        size=head.size,
        leaf=leaf_hash(ledger.read(entry.place)).hex(),
        path=[h.hex() for h in ledger.inclusion(entry.place, head.size)],
        root=head.root.hex(),
        checkpoint=note,
    )


def _readable(reader: Reader, platform: Platform, start: str) -> tuple[str, dict[str, str]]:
    """Return the id of a decision that the caller may read, and who reads it and why."""
    name = full_id(platform, start)
    return name, reader.of(platform, platform.catalog.decisions.get(name).app)
