# SPDX-License-Identifier: Apache-2.0
"""The route that reads features of one key as of now."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from heptad.standards.errors import Refused
from heptad.terminal.commands import run
from heptad.terminal.http.access import Opened, Reads
from heptad.terminal.http.problems import RESPONSES

router = APIRouter(prefix="/v1", tags=["reads"], responses=RESPONSES)


class OnlineAsk(BaseModel):
    """Which features of which key."""

    keys: Annotated[dict[str, str], Field(max_length=8)] = Field(
        description="Entity → key.", examples=[{"Customer": "42"}]
    )
    features: Annotated[list[str], Field(min_length=1, max_length=1000)] = Field(
        description="`app.feature`, or an application for all of its own.",
        examples=[["fraud.count_1h"]],
    )
    exact: bool = Field(
        default=True,
        description="Compute what is not kept online, or late; else it is answered as kept.",
    )


class OnlineValue(BaseModel):
    """One feature, with how fresh it is."""

    name: str
    value: bool | int | float | str | list[bool | int | float | str | None] | None
    unit: str
    shown: str
    state: Literal["fresh", "late", "missing", "computed"] = Field(
        description="fresh: what the definition gives now; late: it was right at `at`; missing: "
        "nothing is kept; computed: from the tables, for this answer."
    )
    at: str | None = Field(description="The instant as of which it was computed.")


class OnlineValues(BaseModel):
    """The features of one key as of now."""

    keys: dict[str, str]
    features: list[OnlineValue]


@router.post("/online")
def online(asked: OnlineAsk, platform: Opened, reader: Reads) -> OnlineValues:
    """Read many features of one key as of now, each with how fresh it is.

    Features of one application are read for its purpose or a review; those of several need the
    purpose stated in `Heptad-Purpose`.
    """
    apps = {name.partition(".")[0] for name in asked.features}
    if len(apps) > 1 and not reader.stated:
        raise Refused(
            "Features of several applications are read for one purpose, which is stated.",
            got=", ".join(sorted(apps)),
            do="send it as Heptad-Purpose",
        )
    why = reader.plain() if len(apps) > 1 else reader.of(platform, apps.pop())
    return OnlineValues(**run(platform, "features.online", asked.model_dump() | why))
