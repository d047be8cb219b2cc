# SPDX-License-Identifier: Apache-2.0
"""Routes about features, lineage, models and the log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from heptad.terminal.commands import run
from heptad.terminal.http.access import Caller, Opened
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Anything

router = APIRouter(prefix="/v1", tags=["reads"], responses=RESPONSES)


@router.get("/features")
def features(
    platform: Opened, _: Caller, app: Annotated[str, Query(description="One application.")] = ""
) -> Anything:
    """List the features with their definitions in words, units and versions."""
    return Anything(**run(platform, "features.list", {"app": app}))


@router.get("/features/{app}/{key}")
def feature_values(
    app: str,
    key: str,
    platform: Opened,
    _: Caller,
    t: Annotated[str, Query(description="As of this instant, ISO 8601; now by default.")] = "",
    k: Annotated[str, Query(description="As known at this instant.")] = "",
    entity: Annotated[str, Query(description="What the key names, for example Merchant.")] = "",
) -> Anything:
    """Read the features of one key as of an instant."""
    arguments = {"app": app, "key": key, "t": t, "k": k, "entity": entity}
    return Anything(**run(platform, "features.read", arguments))


@router.get("/lineage/{node:path}")
def lineage(node: str, platform: Opened, _: Caller) -> Anything:
    """Show what a column, feature, model or application comes from and touches."""
    return Anything(**run(platform, "lineage", {"node": node}))


@router.get("/models")
def models(platform: Opened, _: Caller) -> Anything:
    """List the models: who trained and approved them, and how good they are."""
    return Anything(**run(platform, "models.list", {}))


@router.get("/loads")
def loads(platform: Opened, _: Caller) -> Anything:
    """List past loads."""
    return Anything(**run(platform, "loads", {}))


@router.get("/log")
def log(platform: Opened, _: Caller) -> Anything:
    """Say how long the decision log is and what its signed head is."""
    return Anything(**run(platform, "log.show", {}))


@router.get("/log/checkpoint")
def checkpoint(platform: Opened, _: Caller) -> Anything:
    """Return the signed head of the decision log as a note, to be kept elsewhere."""
    return Anything(**run(platform, "log.checkpoint", {}))
