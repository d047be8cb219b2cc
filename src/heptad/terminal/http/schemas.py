# SPDX-License-Identifier: Apache-2.0
"""The shapes of what HTTP takes and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _storable(text: str) -> str:
    """Refuse halves of characters, which JSON can write and nothing can store."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("the text has half a character") from error
    return text


Text = Annotated[str, AfterValidator(_storable)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Scalar = bool | int | Finite | Text | None
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]


class Closed(BaseModel):
    """A body without fields that nobody reads."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(examples=["urn:heptad:error:contract"])
    title: str = Field(examples=["Payment.amount must be at least 0."])
    status: int = Field(examples=[422])
    code: str = Field(examples=["contract"])
    detail: str
    got: str | None = Field(None, description="The value met, masked if personal.", examples=["-5"])
    do: str | None = Field(None, description="What to do about it.")
    place: str | None = Field(None, description="Where it was met.")


class Health(BaseModel):
    """Whether the service answers and its stores are open."""

    status: Literal["ok"]
    version: str = Field(examples=["0.1.0"])


class Rejected(BaseModel):
    """A row that was set aside."""

    line: int = Field(description="Number of the row in the request, from 1.")
    key: str | None = Field(description="Its key, if it could be read.")
    reason: str = Field(examples=["range"])
    field: str = Field(examples=["amount"])
    says: str = Field(examples=["Payment.amount is outside of what is allowed."])
    do: str


class Loaded(BaseModel):
    """What became of rows that were posted."""

    table: str
    accepted: int = Field(description="Rows stored durably.")
    duplicates: int = Field(description="Rows that were stored before, unchanged.")
    quarantined: int = Field(description="Rows set aside, see `heptad quarantine show`.")
    rejected: list[Rejected] = Field(description="Each row that was set aside.")
    version: int | None = Field(description="Version of the table that holds them.")
    decisions: list[Decided] = Field(description="Decisions that the rows asked for.")


class Decided(BaseModel):
    """A decision in short."""

    id: str = Field(description="Idempotency key of the decision.")
    app: str
    on: str = Field(description="Table and key of the row decided.", examples=["Payment p17"])
    when: str = Field(description="Instant decided at, ISO 8601, UTC.")
    outcome: Literal["approve", "decline", "refer", "hold", "challenge", "offer", "skip"]
    why: str = Field(description="Reasons in words.")
    erased: bool = Field(False, description="Whether the person it was about has been erased.")


class ReferPlease(Closed):
    """Why a person should look at a decision."""

    reason: Annotated[Text, Field(min_length=3, max_length=4000)] = Field(
        examples=["the income was misread"]
    )


class DecidePlease(Closed):
    """A row to decide: a new one, checked and stored first, or the key of one that is stored."""

    row: dict[Text, Scalar] | None = Field(
        None,
        description="Values by field name; amounts as decimal text.",
        examples=[
            {
                "id": "p17",
                "event_time": "2026-03-01T09:30:00Z",
                "customer": "c42",
                "amount": "12.50",
                "currency": "EUR",
                "status": "authorised",
            }
        ],
    )
    key: Text | None = Field(None, description="Key of a stored row.", examples=["p17"])


class ApprovePlease(Closed):
    """Why a model may decide."""

    note: Text = Field(
        min_length=3,
        max_length=2000,
        description="What the approver looked at.",
        examples=["held-out figures reviewed"],
    )


class DecisionPage(BaseModel):
    """Some decisions, newest first, and where to go on."""

    decisions: list[Decided]
    cursor: str | None
    counts: dict[str, int] = Field(description="All decisions of the application by outcome.")


Loaded.model_rebuild()
