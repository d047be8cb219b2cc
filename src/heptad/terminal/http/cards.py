# SPDX-License-Identifier: Apache-2.0
"""Routes about scorecards: what another bin or cut-off would change, and the report to be signed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from heptad.terminal.commands import run
from heptad.terminal.http.access import Caller, Opened, Reads, require_approver
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Closed

router = APIRouter(prefix="/v1/apps/{app}/card", tags=["flows"], responses=RESPONSES)
Number = Annotated[int, Query(ge=0, description="Of the model; 0 is the one in use.")]


class BinsPlease(Closed):
    """What is changed about a card."""

    input: str = Field("", max_length=200, description="Whose bins.", examples=["inflow_90d"])
    bins: list[int] = Field(
        [], max_length=200, description="Neighbouring bins to be merged.", examples=[[0, 1]]
    )
    reason: str = Field("", max_length=2000, description="Why.", examples=["one product since May"])
    cut: int | None = Field(None, description="Another least score that is approved.")
    number: int = Field(0, ge=0, description="Of the model; 0 is the one in use.")
    keep: bool = Field(False, description="Keep the card as a candidate.", examples=[False])


class BinsTried(BaseModel):
    """Bins as they are and would be, and two cards side by side on the rows held out."""

    input: str
    kept: int = Field(description="Number of the candidate kept; 0 for none.")
    bins: list[dict[str, Any]]
    would_be: list[dict[str, Any]]
    rows: int
    cut: list[int]
    auc: list[float]
    approved: list[float]
    bad_rate: list[float | None] = []
    expected_loss: list[float | None]
    swaps: list[dict[str, Any]]


class CardReport(BaseModel):
    """The validation report of a model."""

    model: str = Field(description="Its title.", examples=["credit-scorecard 1"])
    number: int = Field(description="Its number.", examples=[1])
    html: str = Field(description="The page, whole in itself.", examples=["<!doctype html>…"])


@router.post("/bins")
def bins(app: str, please: BinsPlease, platform: Opened, reader: Reads, who: Caller) -> BinsTried:
    """Say what merged bins or another cut-off would change; keep the card only if asked to."""
    if please.keep:
        require_approver(who)
    asked = please.model_dump() | {"app": app, "by": who.id} | reader.of(platform, app)
    return BinsTried(**run(platform, "card.bins", asked))


@router.get("/report")
def report(app: str, platform: Opened, reader: Reads, number: Number = 0) -> CardReport:
    """Write the validation report of a scorecard: one page, to be printed and signed."""
    asked = {"app": app, "number": number} | reader.of(platform, app)
    return CardReport(**run(platform, "card.report", asked))
