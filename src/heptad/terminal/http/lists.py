# SPDX-License-Identifier: Apache-2.0
"""Routes about allow, deny and watch lists: which there are, what stands on them, a file put on one."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from heptad.terminal.commands import run
from heptad.terminal.http.access import Caller, Opened, Reads, require_approver
from heptad.terminal.http.decisions import json_only
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Closed, Text

router = APIRouter(prefix="/v1/lists", tags=["lists"], responses=RESPONSES)
Kind = Literal["allow", "deny", "watch"]


class ListLine(BaseModel):
    """A list in short."""

    list: str = Field(examples=["watched"])
    kind: Kind
    entries: int
    ended: int = Field(description="Entries that stand there no more.")


class Lists(BaseModel):
    """The lists of a project."""

    lists: list[ListLine]


class ListEntry(BaseModel):
    """Something that stands on a list."""

    id: str
    kind: Kind
    of: str = Field(description="The table that the key is of.")
    key: str | None = Field(description="Of the merchant, customer, device, card or account.")
    since: str
    until: str


class ListInfo(BaseModel):
    """What stands on a list, as known now."""

    entries: list[ListEntry]
    list: str
    of: int


class SheetPlease(Closed):
    """A file of keys to be put on a list."""

    content: Annotated[str, Field(max_length=12_000_000)] = Field(
        description="The file, base64.", examples=["aWQKbTE3Cg=="]
    )
    file: Annotated[Text, Field(max_length=200)] = Field(
        description="Its name: .csv or .xlsx.", examples=["watched.csv"]
    )
    kind: Kind = "watch"
    of: Annotated[Text, Field(max_length=64)] = Field("Merchant", description="Table of the keys.")
    column: Annotated[Text, Field(max_length=200)] = Field("id", description="That holds the keys.")
    since: Annotated[Text, Field(max_length=40)] = Field("", description="Now by default.")
    until: Annotated[Text, Field(max_length=40)] = Field("", description="For ever by default.")


class Uploaded(BaseModel):
    """What became of a file."""

    list: str
    rows: int
    stored: int
    known_before: int
    refused: int
    version: int | None


@router.get("")
def lists(platform: Opened, reader: Reads) -> Lists:
    """Say which lists there are, and how many stand on each now."""
    return Lists(**run(platform, "lists.list", reader.plain()))


@router.get("/{name}")
def entries(
    name: str,
    platform: Opened,
    reader: Reads,
    limit: Annotated[int, Query(ge=1, le=2000, description="Most entries.")] = 200,
) -> ListInfo:
    """Show what stands on a list, as known now."""
    return ListInfo(**run(platform, "lists.show", {"name": name, "limit": limit} | reader.plain()))


@router.post("/{name}", dependencies=[Depends(json_only)])
def upload(name: str, please: SheetPlease, platform: Opened, who: Caller) -> Uploaded:
    """Put what a file names on a list; the same file again changes nothing."""
    require_approver(who)
    found = run(platform, "lists.upload", {"name": name} | please.model_dump())
    return Uploaded(**{key.replace(" ", "_"): value for key, value in found.items()})
