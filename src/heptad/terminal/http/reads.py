# SPDX-License-Identifier: Apache-2.0
"""Routes that read features, lineage, models, loads and the log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from heptad.terminal.commands import run
from heptad.terminal.http.access import At, Caller, Opened, Reads
from heptad.terminal.http.answers import (
    Accesses,
    Checkpoint,
    FeatureList,
    FeatureValues,
    Lineage,
    LoadList,
    LogHead,
    ModelList,
)
from heptad.terminal.http.problems import RESPONSES

router = APIRouter(prefix="/v1", tags=["reads"], responses=RESPONSES)


@router.get("/features")
def features(
    platform: Opened,
    _: Caller,
    app: Annotated[str, Query(description="One application.", examples=["fraud"])] = "",
) -> FeatureList:
    """List the features with their definitions in words, units and versions."""
    return FeatureList(**run(platform, "features.list", {"app": app}))


@router.get("/features/{app}/{key}")
def feature_values(
    app: str,
    key: str,
    platform: Opened,
    reader: Reads,
    t: At = "",
    k: Annotated[str, Query(description="As known at this instant; t by default.")] = "",
    entity: Annotated[
        str, Query(description="What the key names; whom decisions are about by default.")
    ] = "",
) -> FeatureValues:
    """Read the features of one key as of an instant, for the application's purpose or a review."""
    arguments = {"app": app, "key": key, "t": t, "k": k, "entity": entity}
    return FeatureValues(**run(platform, "features.read", arguments | reader.of(platform, app)))


@router.get("/lineage/{node:path}")
def lineage(
    node: str,
    platform: Opened,
    _: Caller,
    t: Annotated[
        str, Query(description="As it held at this instant, ISO 8601.", examples=["2026-03-01"])
    ] = "",
) -> Lineage:
    """Show what a column, feature, model or application comes from and touches.

    For example `Payment.amount`, `fraud.count_1h`, `fraud`, or the name of a source.
    """
    return Lineage(**run(platform, "lineage", {"node": node, "at": t}))


@router.get("/models")
def models(platform: Opened, _: Caller) -> ModelList:
    """List the models: who trained and approved them, and how good they are."""
    return ModelList(**run(platform, "models.list", {}))


@router.get("/loads")
def loads(platform: Opened, _: Caller) -> LoadList:
    """List past loads."""
    return LoadList(**run(platform, "loads", {}))


@router.get("/access")
def accesses(
    platform: Opened,
    reader: Reads,
    subject: Annotated[
        str, Query(description="Only reads about one person.", examples=["Customer:42"])
    ] = "",
    since: Annotated[
        str, Query(description="From this instant on, ISO 8601.", examples=["2026-03-01"])
    ] = "",
    until: Annotated[
        str, Query(description="Up to this instant, ISO 8601.", examples=["2026-03-31"])
    ] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="Most reads.")] = 50,
) -> Accesses:
    """List who read what about whom and why, refused reads too, the newest first.

    For a review only, under the purpose audit or legal; asking is recorded as well.
    """
    arguments = {"subject": subject, "since": since, "until": until, "limit": limit}
    return Accesses(**run(platform, "access.list", arguments | reader.of(platform)))


@router.get("/log")
def log(
    platform: Opened,
    _: Caller,
    t: Annotated[
        str,
        Query(description="Count what had happened by then, ISO 8601.", examples=["2026-03-01"]),
    ] = "",
) -> LogHead:
    """Say how long the decision log is and what its signed head is."""
    return LogHead(**run(platform, "log.show", {"t": t}))


@router.get("/log/checkpoint")
def checkpoint(platform: Opened, _: Caller) -> Checkpoint:
    """Return the signed head of the decision log as a note, to be kept elsewhere."""
    return Checkpoint(**run(platform, "log.checkpoint", {}))
