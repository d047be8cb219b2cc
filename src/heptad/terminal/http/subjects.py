# SPDX-License-Identifier: Apache-2.0
"""Routes about persons: what is held of them, erasing them, legal holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from heptad.security.apikeys import Principal
from heptad.standards.errors import Refused
from heptad.terminal.commands import run
from heptad.terminal.http.access import Caller, Opened
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Closed, Text

router = APIRouter(prefix="/v1/subjects", tags=["subjects"], responses=RESPONSES)
PURPOSE = "legal"

Subject = Annotated[
    str,
    Path(description="`Customer:42`, or `42`.", min_length=1, max_length=300, pattern=r"^\S.*$"),
]
Reason = Annotated[Text, Field(min_length=1, max_length=500, examples=["request no. 17"])]


class ErasePlease(Closed):
    """Why a person is erased, released or let come back."""

    reason: Reason = Field(description="In words that do not name the person.")


class HoldPlease(Closed):
    """A legal hold to be declared."""

    until: Annotated[Text, Field(max_length=40)] = Field(
        description="When it ends, ISO 8601.", examples=["2036-12-31T00:00:00Z"]
    )
    reason: Reason = Field(description="In words that do not name the person.")


class Held(BaseModel):
    """Something that a store holds of a person."""

    store: str = Field(examples=["tables"])
    what: str = Field(examples=["row versions of Customer by id"])
    n: int = Field(description="How many.")
    fate: str = Field(description="What erasing does to it: sealed, removed, kept or yours.")
    why: str = Field(description="A sentence on that.")


class LegalHold(BaseModel):
    """A duty to keep what is held of a person."""

    id: int
    until: str
    reason: str
    who: str
    since: str
    released: str | None
    released_by: str | None
    released_why: str | None
    binds: bool = Field(description="Whether it refuses an erasure now.")


class PastErasure(BaseModel):
    """An erasure, done or under way."""

    id: int
    status: str = Field(description="erasing or erased.")
    asked: str
    ended: str | None
    reason: str
    who: str
    genuine: bool = Field(description="Whether its signed receipt is whole.")


class SubjectInfo(BaseModel):
    """What is held of a person, without a value of it."""

    subject: str = Field(examples=["Customer:42"])
    state: str = Field(description="held, erasing, erased or unknown.")
    erased: str | None = Field(description="When they were erased last.")
    held: list[Held]
    holds: list[LegalHold]
    erasures: list[PastErasure]


class Erased(BaseModel):
    """An erasure that is done."""

    subject: str
    ended: str = Field(description="When it was done.")
    epoch: int = Field(description="The epoch of the keys that began with it.")
    held: list[Held] = Field(description="What was held, and what became of it.")


class Holding(BaseModel):
    """A legal hold that was declared."""

    subject: str
    hold: int = Field(description="Its number.")
    until: str


class Released(BaseModel):
    """Legal holds that were released."""

    subject: str
    released: list[int] = Field(description="Their numbers.")


class Revived(BaseModel):
    """A person who came back."""

    subject: str
    state: str = Field(description="held.")


@router.get("/{subject}")
def show(subject: Subject, platform: Opened, who: Caller) -> SubjectInfo:
    """Say what is held of a person, without a value of it, and what became of them."""
    require_legal(who)
    return SubjectInfo(**run(platform, "subject.show", {"subject": subject}))


@router.post("/{subject}/erase")
def erase(subject: Subject, please: ErasePlease, platform: Opened, who: Caller) -> Erased:
    """Erase a person from every store; a second time it answers the first.

    Their key is destroyed and all others move to a new epoch, so that no backup opens what was
    sealed for them. A legal hold refuses it and says until when.
    """
    require_legal(who)
    asked = {"subjects": [subject], "reason": please.reason, "who": who.id, "role": who.role}
    done = run(platform, "subject.erase", asked)
    return Erased(epoch=done["epoch"], **done["erased"][0])


@router.post("/{subject}/holds")
def hold(subject: Subject, please: HoldPlease, platform: Opened, who: Caller) -> Holding:
    """Declare a legal hold: the person is not erased until it ends or is released."""
    require_legal(who)
    asked = {"subject": subject, "until": please.until, "reason": please.reason}
    return Holding(**run(platform, "subject.hold", asked | {"who": who.id, "role": who.role}))


@router.post("/{subject}/release")
def release(subject: Subject, please: ErasePlease, platform: Opened, who: Caller) -> Released:
    """Release the legal holds that bind a person now."""
    require_legal(who)
    asked = {"subject": subject, "reason": please.reason, "who": who.id, "role": who.role}
    return Released(**run(platform, "subject.release", asked))


@router.post("/{subject}/revive")
def revive(subject: Subject, please: ErasePlease, platform: Opened, who: Caller) -> Revived:
    """Let a person who was erased come back; what was erased stays unreadable."""
    require_legal(who)
    asked = {"subject": subject, "reason": please.reason, "who": who.id, "role": who.role}
    return Revived(**run(platform, "subject.revive", asked))


def require_legal(who: Principal) -> None:
    """Let only those act on whole persons who may act for the purpose legal.

    Raises:
        Refused: if the caller may not.
    """
    if PURPOSE not in who.purposes:
        raise Refused(
            f"Persons are shown whole, held and erased for the purpose {PURPOSE} only.",
            got=", ".join(sorted(who.purposes)),
            do=f"use a key with the purpose {PURPOSE}",
        )
