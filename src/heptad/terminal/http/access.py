# SPDX-License-Identifier: Apache-2.0
"""Who calls, in which role and for which purpose: loopback without keys, a key everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Header, Request

from heptad.security.apikeys import ApiKeys, Principal
from heptad.security.purposes import PURPOSES, may_act
from heptad.standards.errors import InputError, Refused, Unauthorised

if TYPE_CHECKING:
    from heptad.runtime import Platform

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", "testclient"})
LOCAL = "admin"


def opened(request: Request) -> Platform:
    """Return the project that is served."""
    platform: Platform = request.app.state.platform
    return platform


def api_keys(platform: Platform) -> ApiKeys:
    """Return the keys of a project."""
    return ApiKeys(platform.catalog.keys, platform.keys.pepper("api"), platform.clock)


def caller(
    request: Request,
    authorization: Annotated[str | None, Header(description="Bearer and a key.")] = None,
) -> Principal:
    """Say who calls.

    Without keys only this machine may call, as admin. Once a key was issued, or from elsewhere,
    every call needs one.

    Raises:
        Unauthorised: if a key is needed and none that is valid was given.
    """
    keys = api_keys(opened(request))
    if authorization is None and not keys.all():
        host = request.client.host if request.client else ""
        if host in LOOPBACK:
            return Principal(id="local", role=LOCAL, purposes=frozenset(PURPOSES))
        raise Unauthorised(
            "Calls from another machine need a key.", do="issue one with `heptad keys issue`"
        )
    scheme, _, text = (authorization or "").partition(" ")
    return keys.authenticate(text.strip() if scheme.lower() == "bearer" else None)


def purpose(
    who: Annotated[Principal, Depends(caller)],
    heptad_purpose: Annotated[
        str, Header(description="Why you read; decides what is masked.")
    ] = "service",
) -> str:
    """Say for which purpose the call is made.

    Raises:
        InputError: if there is no such purpose.
        Refused: if the caller may not act for it.
    """
    if heptad_purpose not in PURPOSES:
        raise InputError(
            "There is no such purpose.", got=heptad_purpose, do=f"use one of {sorted(PURPOSES)}"
        )
    if heptad_purpose not in who.purposes or not may_act(who.role, heptad_purpose):
        raise Refused(f"A {who.role} may not act for {heptad_purpose}.", do="ask for another key")
    return heptad_purpose


Opened = Annotated["Platform", Depends(opened)]
Caller = Annotated[Principal, Depends(caller)]
Purpose = Annotated[str, Depends(purpose)]
