# SPDX-License-Identifier: Apache-2.0
"""Routes about messages: what was sent or why not, receipts, ways out, devices, in-app inboxes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel, Field

from heptad.service.outbox.carriers import SIGNATURE, is_signed
from heptad.sources.config import revealed
from heptad.standards.errors import InputError, Refused, UnknownName
from heptad.terminal.commands import run
from heptad.terminal.http.access import Caller, Opened, Reads, require_approver
from heptad.terminal.http.decisions import json_only
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Closed, Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from heptad.security.apikeys import Principal

router = APIRouter(prefix="/v1", tags=["messages"], responses=RESPONSES)
SERVICE = "service"
LONGEST_BODY = 1 << 20
_TICK_S = 1.0


class MessageLine(BaseModel):
    """A message in short, with why it was not sent."""

    message: str
    app: str
    letter: str
    subject: str = Field(examples=["Customer:42"])
    channel: str
    purpose: str
    status: str = Field(description="waiting, sending, sent, delivered, bounced, skipped, "
                                    "uncertain, dead or cancelled.")  # fmt: skip
    why: str
    reason: str = Field(description="A stable code.", examples=["NO_CONSENT"])
    attempts: int
    planned: str
    sent: str | None
    decision: str


class MessageCount(BaseModel):
    """How many messages came to what."""

    app: str
    status: str
    reason: str
    n: int


class MessageList(BaseModel):
    """Messages, the last one first."""

    messages: list[MessageLine]
    counts: list[MessageCount]
    stops: list[str] = Field(description="What is stopped.")


class Receipt(BaseModel):
    """Something that was said of a message."""

    event: str = Field(examples=["delivered"])
    at: str
    note: str


class WholeMessage(MessageLine):
    """A message with what it says."""

    title: str
    text: str
    receipts: list[Receipt]


class StopPlease(Closed):
    """What is to be stopped, and why."""

    scope: Annotated[Text, Field(max_length=200)] = Field(
        description="all, app:NAME, provider:NAME or purpose:NAME.", examples=["app:credit"]
    )
    reason: Annotated[Text, Field(min_length=3, max_length=500)] = "stopped over HTTP"


class Stop(BaseModel):
    """Something that is stopped."""

    scope: str
    since: str
    who: str
    why: str


class Stops(BaseModel):
    """What is stopped."""

    stops: list[Stop]


class ResolvePlease(Closed):
    """Whether an uncertain message arrived."""

    arrived: bool


class Received(BaseModel):
    """What became of receipts."""

    taken: int


class DevicePlease(Closed):
    """Where a device takes pushed messages."""

    channel: Text = Field(examples=["webpush"])
    address: Annotated[Text, Field(min_length=3, max_length=4000)] = Field(
        description="A token, or the JSON of a browser's subscription."
    )


class Device(BaseModel):
    """A device that was registered."""

    device: str


class Notice(BaseModel):
    """A message of an in-app inbox."""

    number: int
    at: str
    title: str
    text: str
    seen: str | None


class Notices(BaseModel):
    """The in-app inbox of a person, the oldest message first."""

    subject: str
    notices: list[Notice]


class Seen(BaseModel):
    """Whether a message of an inbox was noted as seen."""

    seen: bool


@router.get("/outbox")
def outbox(
    platform: Opened,
    reader: Reads,
    app: Annotated[str, Query(description="One application.", examples=["fraud"])] = "",
    status: Annotated[str, Query(description="One status.")] = "",
    subject: Annotated[str, Query(description="One person.")] = "",
    decision: Annotated[str, Query(description="Those that follow one decision.")] = "",
    limit: Annotated[int, Query(ge=1, le=500, description="Most messages.")] = 50,
) -> MessageList:
    """List messages with why each was not sent; of all applications for a review only."""
    asked = {"app": app, "status": status, "subject": subject, "decision": decision}
    told = reader.of(platform, app)
    return MessageList(**run(platform, "outbox.list", asked | {"limit": limit} | told))


@router.get("/outbox/{message}")
def message(message: str, platform: Opened, reader: Reads) -> WholeMessage:
    """Show a message: what it says, and all that was said of it."""
    told = reader.of(platform, platform.work.outbox.get(message).app)
    return WholeMessage(**run(platform, "outbox.show", {"message": message} | told))


@router.post("/outbox/stop", dependencies=[Depends(json_only)])
def stop(please: StopPlease, platform: Opened, who: Caller) -> Stops:
    """Stop sending, now and until it is let go on: the kill switch."""
    require_approver(who)
    asked = {"scope": please.scope, "reason": please.reason, "who": who.id}
    return Stops(**run(platform, "outbox.stop", asked))


@router.post("/outbox/go-on", dependencies=[Depends(json_only)])
def go_on(please: StopPlease, platform: Opened, who: Caller) -> Stops:
    """Let what was stopped be sent again."""
    require_approver(who)
    return Stops(**run(platform, "outbox.go_on", {"scope": please.scope}))


@router.post("/outbox/{message}/resolve", dependencies=[Depends(json_only)])
def resolve(message: str, please: ResolvePlease, platform: Opened, who: Caller) -> MessageLine:
    """Say of an uncertain message whether it arrived; a lost one is sent again."""
    require_approver(who)
    asked = {"message": message, "arrived": please.arrived, "who": who.id}
    return MessageLine(**run(platform, "outbox.resolve", asked))


@router.post("/receipts/{provider}")
async def receipts(
    provider: str,
    request: Request,
    platform: Opened,
    heptad_signature: Annotated[str, Header(description="`t=SECONDS,v1=HEX`, HMAC-SHA-256.")] = "",
) -> Received:
    """Take what a provider says of messages: delivered, bounced, replied; signed with its secret."""
    from fastapi.concurrency import run_in_threadpool

    found = {p.name: p for p in platform.project.providers}.get(provider)
    if found is None:
        raise UnknownName("There is no such provider.", got=provider)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            raise InputError("Receipts have at most 1 MiB.", do="send fewer at once")
    secret = revealed(found.secret, platform.path)
    now_s = platform.clock.now() // 1_000_000
    if not is_signed(secret, bytes(body), heptad_signature, now_s):
        raise Refused("These receipts are not signed by their provider.", do=f"send {SIGNATURE}")
    return Received(taken=await run_in_threadpool(_taken, platform, provider, bytes(body)))


def _taken(platform: Any, provider: str, body: bytes) -> int:
    try:
        listed = json.loads(body)["events"]
        assert isinstance(listed, list)  # noqa: S101 - refused below
        assert all(isinstance(one, dict) for one in listed)  # noqa: S101 - as above
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise InputError('Receipts are {"events": [{"id": …, "event": …}]}.') from error
    for one in listed:
        platform.work.outbox.records.receipt(provider, one)
    return len(listed)


@router.get("/unsubscribe/{token}", include_in_schema=False)
def way_out(token: str, platform: Opened) -> HTMLResponse:
    """Show a page with one button: a link that is merely looked at ends nothing."""
    platform.work.outbox.records.of_token(token)
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Unsubscribe</title>'
        '<main style="font:18px system-ui;max-width:30rem;margin:4rem auto">'
        "<h1>No more such messages?</h1><form method='post'><button>Unsubscribe</button></form>"
        "</main></html>"
    )
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
               "form-action 'self'", "Cache-Control": "no-store"}  # fmt: skip
    return HTMLResponse(page, headers=headers)


@router.post("/unsubscribe/{token}", include_in_schema=False)
def unsubscribe(token: str, platform: Opened) -> HTMLResponse:
    """End messages of a purpose with one click (RFC 8058); the link is what proves who asks."""
    purpose = platform.work.outbox.records.unsubscribe(token)
    return HTMLResponse(f"<!doctype html><p>Done: no more messages for {purpose}.</p>")


@router.get("/inbox/{subject}")
def inbox(
    subject: str,
    platform: Opened,
    who: Caller,
    after: Annotated[int, Query(ge=0, description="Only what came after this number.")] = 0,
) -> Notices:
    """Return the in-app inbox of a person, for the application that shows it to them."""
    require_service(who)
    asked = {"subject": subject, "after": after, "who": who.id, "role": who.role}
    return Notices(**run(platform, "inbox", asked))


@router.get("/inbox/{subject}/events", include_in_schema=False)
async def events(
    subject: str,
    platform: Opened,
    who: Caller,
    wait_s: Annotated[float, Query(ge=0, le=600)] = 25.0,
    last_event_id: Annotated[str, Header()] = "0",
) -> StreamingResponse:
    """Send what comes into an in-app inbox as server-sent events, from the last one seen on."""
    require_service(who)
    after = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 16 else 0
    asked = {"subject": subject, "who": who.id, "role": who.role}
    return StreamingResponse(
        _stream(platform, asked, after, wait_s), media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )  # fmt: skip


async def _stream(
    platform: Any, asked: dict[str, Any], after: int, wait_s: float
) -> AsyncIterator[str]:
    """Yield events; a read is recorded only when there is something to read."""
    import asyncio
    import time

    from fastapi.concurrency import run_in_threadpool

    yield "retry: 2000\n\n"
    until = time.monotonic() + wait_s
    person = platform.erasing.person(asked["subject"]).subject
    while True:
        records = platform.work.outbox.records
        if await run_in_threadpool(records.notices, person, after, 1):
            found = await run_in_threadpool(run, platform, "inbox", asked | {"after": after})
            for notice in found["notices"]:
                after = notice["number"]
                yield f"id: {after}\nevent: notice\ndata: {json.dumps(notice)}\n\n"
        if time.monotonic() >= until:
            return
        await asyncio.sleep(_TICK_S)


@router.post("/inbox/{subject}/{number}/seen")
def seen(subject: str, number: int, platform: Opened, who: Caller) -> Seen:
    """Note that the person has seen a message of their inbox."""
    require_service(who)
    person = platform.erasing.person(subject).subject
    return Seen(seen=platform.work.outbox.records.seen(person, number))


@router.post("/devices/{subject}", dependencies=[Depends(json_only)])
def register(subject: str, please: DevicePlease, platform: Opened, who: Caller) -> Device:
    """Keep where a device of a person takes pushed messages; sealed under their key."""
    require_service(who)
    person = platform.erasing.person(subject).subject
    records = platform.work.outbox.records
    return Device(device=records.register(person, please.channel, please.address))


def require_service(who: Principal) -> None:
    """Let only those see a person's inbox who serve them.

    Raises:
        Refused: if the caller does not.
    """
    if SERVICE not in who.purposes:
        raise Refused(
            f"Inboxes and devices are for the purpose {SERVICE}.",
            got=", ".join(sorted(who.purposes)),
            do=f"use a key with the purpose {SERVICE}",
        )
