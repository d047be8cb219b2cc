# SPDX-License-Identifier: Apache-2.0
"""Routes about applications and their decisions."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query

from heptad.standards.errors import InputError
from heptad.terminal.commands import run
from heptad.terminal.commands.decisions import full_id, row
from heptad.terminal.http.access import Caller, Opened
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Anything, Decided, DecidePlease, DecisionPage, Id

router = APIRouter(prefix="/v1", tags=["decisions"], responses=RESPONSES)


@router.get("/apps")
def apps(platform: Opened, _: Caller) -> Anything:
    """List the applications."""
    return Anything(**run(platform, "apps.list", {}))


@router.get("/apps/{app}")
def app(app: str, platform: Opened, _: Caller) -> Anything:
    """Show an application: what it decides on and reads, its policy, its pages."""
    return Anything(**run(platform, "apps.show", {"name": app}))


@router.get("/apps/{app}/pages/{path}")
def page(app: str, path: str, platform: Opened, _: Caller) -> Anything:
    """Read what a declared page shows."""
    return Anything(**run(platform, "apps.page", {"name": app, "path": path}))


@router.post("/apps/{app}/decide")
def decide(
    app: str,
    please: DecidePlease,
    platform: Opened,
    _: Caller,
    idempotency_key: Annotated[
        Id | None, Header(description="Becomes the decision's id; repeat it with the same body.")
    ] = None,
) -> Decided:
    """Decide one row.

    With the same Idempotency-Key and body the first decision is answered again; with another body
    the answer is 409. Without a key the id is derived from the row.
    """
    if (please.row is None) == (please.key is None):
        raise InputError("Give either a row or the key of one.", do='send {"key": "…"}')
    entry = platform.decide_one(app, row=please.row, key=please.key, name=idempotency_key)
    return Decided(**row(platform, entry))


@router.get("/decisions")
def decisions(
    platform: Opened,
    _: Caller,
    app: Annotated[str, Query(description="One application.")] = "",
    outcome: Annotated[str, Query(description="One outcome.")] = "",
    subject: Annotated[str, Query(description="One subject, for example Customer:42.")] = "",
    cursor: Annotated[str, Query(description="`cursor` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> DecisionPage:
    """List decisions, newest first, page by page."""
    arguments = {
        "app": app,
        "outcome": outcome,
        "subject": subject,
        "cursor": cursor,
        "limit": limit,
    }
    return DecisionPage(**run(platform, "decisions.list", arguments))


@router.get("/decisions/{decision}")
def decision(
    decision: str,
    platform: Opened,
    _: Caller,
    to: Annotated[
        Literal["engineer", "officer", "customer"], Query(description="For whom.")
    ] = "officer",
    language: Annotated[Literal["en", "zh"], Query(description="Of the sentences.")] = "en",
) -> Anything:
    """Explain a decision: reasons, values, score, policy, versions."""
    return Anything(**run(platform, "explain", {"id": decision, "to": to, "language": language}))


@router.post("/decisions/{decision}/replay")
def replay(decision: str, platform: Opened, _: Caller) -> Anything:
    """Decide again and derive again from what was stored, and compare bit for bit."""
    return Anything(**run(platform, "replay", {"ids": [decision]}))


@router.get("/decisions/{decision}/proof")
def proof(decision: str, platform: Opened, _: Caller) -> Anything:
    """Prove that a decision is in the log: its leaf, the path to the root and the signed head."""
    from heptad.security.merkle import leaf_hash

    entry = platform.catalog.decisions.get(full_id(platform, decision))
    ledger = platform.log.ledger
    head = ledger.head()
    return Anything.model_validate(
        {
            "index": entry.place,
            "size": head.size,
            "leaf": leaf_hash(ledger.read(entry.place)).hex(),
            "path": [h.hex() for h in ledger.inclusion(entry.place, head.size)],
            "root": head.root.hex(),
            "checkpoint": ledger.checkpoint(),
        }
    )
