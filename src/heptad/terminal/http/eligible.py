# SPDX-License-Identifier: Apache-2.0
"""The route that says which products a person may be offered."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from heptad.terminal.commands import run
from heptad.terminal.http.access import Opened, Reads
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Closed

router = APIRouter(prefix="/v1", tags=["reads"], responses=RESPONSES)


class EligiblePlease(Closed):
    """Products by their terms, and a customer."""

    text: str = Field(
        min_length=1, max_length=200_000, description="The terms of the products, YAML.",
        examples=["card: {purpose: marketing, youngest: 18}"],
    )  # fmt: skip
    customer: str = Field(min_length=1, max_length=200, description="Its key.", examples=["42"])
    profile: str = Field(
        "", max_length=2, description="Highest risk class that the profile bears.", examples=["R2"]
    )
    licences: Annotated[dict[str, list[str]], Field(max_length=250)] = Field(
        default_factory=dict, description="Country → what is licensed there.",
        examples=[{"ES": ["funds"]}],
    )  # fmt: skip


class Exclusion(BaseModel):
    """Why a product may not be offered."""

    product: str
    code: str = Field(examples=["TOO_YOUNG"])
    numbers: dict[str, Any]


class Eligible(BaseModel):
    """Which products may be offered, and every reason why the others may not."""

    customer: str
    admitted: list[str]
    excluded: list[Exclusion]


@router.post("/eligible")
def eligible(asked: EligiblePlease, platform: Opened, reader: Reads) -> Eligible:
    """Judge products for a customer by their terms; what is not known excludes."""
    return Eligible(**run(platform, "eligible", asked.model_dump() | reader.plain()))
