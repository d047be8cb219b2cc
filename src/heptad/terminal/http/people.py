# SPDX-License-Identifier: Apache-2.0
"""Routes that say how rows are called, and what a customer agreed to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from heptad.terminal.commands import run
from heptad.terminal.http.access import Opened, Reads
from heptad.terminal.http.problems import RESPONSES

router = APIRouter(prefix="/v1", tags=["reads"], responses=RESPONSES)
At = Annotated[str, Query(max_length=40, description="As of an instant; now by default.")]
MOST = 200


class Names(BaseModel):
    """How rows are called."""

    names: dict[str, str] = Field(examples=[{"Company:B00000042": "Harbour Mills"}])
    hidden: list[str] = Field(description="Those whose name the purpose does not open.")
    opens: dict[str, list[str]] = Field(description="Table → the purposes that would open it.")


class Given(BaseModel):
    """A consent as it stands."""

    consent: str
    scope: str = Field(description="A group of tables, or all.")
    status: str
    mode: str
    since: str
    until: str | None


class Asked(BaseModel):
    """A purpose that a person can end."""

    purpose: str
    says: str
    basis: str
    stands: list[str] = Field(description="What of the person may be read for it.")
    ends: list[str] = Field(description="What may not: never agreed to, withdrawn, objected.")
    given: list[Given]


class Unasked(BaseModel):
    """A purpose that rests on a contract or the law."""

    purpose: str
    basis: str
    says: str


class Consents(BaseModel):
    """For what a customer may be read."""

    customer: str
    at: str
    covered: bool = Field(description="Whether the purpose of the read covers consents.")
    asked: list[Asked]
    unasked: list[Unasked]


@router.get("/names")
def names(
    platform: Opened,
    reader: Reads,
    of: Annotated[
        list[str],
        Query(max_length=MOST, description="Table and key.", examples=[["Company:B00000042"]]),
    ],
    t: At = "",
) -> Names:
    """Say how rows are called, as far as the purpose stated opens it; what it hides is named."""
    return Names(**run(platform, "names", {"of": of, "at": t} | reader.plain()))


@router.get("/customers/{customer}/consents")
def consents(
    customer: Annotated[str, Path(description="Its key.", min_length=1, max_length=200)],
    platform: Opened,
    reader: Reads,
    t: At = "",
) -> Consents:
    """Say for what a customer may be read, on which basis, and what they agreed or objected to."""
    return Consents(**run(platform, "consents", {"customer": customer, "at": t} | reader.plain()))
