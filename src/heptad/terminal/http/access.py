# SPDX-License-Identifier: Apache-2.0
"""Who calls, in which role and for which purpose: loopback without keys, a key everywhere else."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Header, Request

from heptad.security.apikeys import ApiKeys, Principal
from heptad.security.purposes import PURPOSES, find_purpose, may_act
from heptad.standards.errors import Refused, Unauthorised

if TYPE_CHECKING:
    from heptad.runtime import Platform

LOCAL = "admin"
"""The role of whoever calls from this machine while no key has been issued."""
WRITERS = frozenset({"admin", "engineer", "app"})
"""Roles that may post rows to any table."""
REVIEWERS = frozenset({"audit", "legal"})
"""Purposes for which the decisions of every application may be read."""


def opened(request: Request) -> Platform:
    """Return the project that is served."""
    platform: Platform = request.app.state.platform
    return platform


def api_keys(platform: Platform) -> ApiKeys:
    """Return the keys of a project."""
    return ApiKeys(platform.catalog.keys, platform.keys.pepper("api"), platform.clock)


def is_loopback(host: str) -> bool:
    """Whether an address, or the name of a Host header, means this machine."""
    name = host.strip("[]")
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def caller(
    request: Request,
    authorization: Annotated[
        str | None, Header(description="`Bearer` and a key; needed once a key was issued.")
    ] = None,
) -> Principal:
    """Say who calls.

    Without keys only this machine may call, as admin. Once a key was issued, or from elsewhere,
    every call needs one.

    Raises:
        Unauthorised: if a key is needed and none that is valid was given.
    """
    keys = api_keys(opened(request))
    if authorization is None and not keys.all():
        # The Host header too: a web page may have its own name point to this machine.
        host = request.client.host if request.client else ""
        if is_loopback(host) and is_loopback(request.url.hostname or ""):
            return Principal(id="local", role=LOCAL, purposes=frozenset(PURPOSES))
        raise Unauthorised(
            "Calls from another machine need a key.", do="issue one with `heptad keys issue`"
        )
    scheme, _, text = (authorization or "").partition(" ")
    return keys.authenticate(text.strip() if scheme.lower() == "bearer" else None)


def purpose(
    who: Annotated[Principal, Depends(caller)],
    heptad_purpose: Annotated[
        str,
        Header(
            description="Why you read; without it personal values are masked.",
            examples=["service"],
        ),
    ] = "",
) -> str:
    """Say for which purpose the call is made; "" for none.

    Raises:
        UnknownName: if there is no such purpose.
        Refused: if the caller may not act for it.
    """
    if not heptad_purpose:
        return ""
    find_purpose(heptad_purpose)
    if heptad_purpose not in who.purposes or not may_act(who.role, heptad_purpose):
        raise Refused(
            f"This caller, a {who.role}, may not act for {heptad_purpose}.",
            do="ask for a key with that purpose",
        )
    return heptad_purpose


def require_writer(who: Principal) -> None:
    """Let only those post rows that bring data.

    Raises:
        Refused: if the caller is another.
    """
    if who.role not in WRITERS:
        raise Refused(
            f"A key of the role {who.role} may not post rows.",
            do=f"use one of the roles {', '.join(sorted(WRITERS))}",
        )


def require_decider(who: Principal, platform: Platform, app: str) -> None:
    """Let only those decide who may act for the application's purpose.

    Raises:
        UnknownName: if there is no such application.
        Refused: if the caller may not.
    """
    wanted = platform.app(app).purpose
    if wanted not in who.purposes:
        raise _refused(who, app, wanted)


def require_reader(who: Principal, platform: Platform, app: str = "") -> None:
    """Let only those read decisions who may act for the application's purpose, or review them.

    Args:
        who: the caller.
        platform: the open project.
        app: the application; every one if "".

    Raises:
        UnknownName: if there is no such application.
        Refused: if the caller may not.
    """
    for name in [app] if app else platform.apps:
        wanted = platform.app(name).purpose
        if not who.purposes & {wanted, *REVIEWERS}:
            raise _refused(who, name, wanted)


def _refused(who: Principal, app: str, purpose: str) -> Refused:
    return Refused(
        f"The application {app} works for the purpose {purpose}, which this key does not have.",
        got=", ".join(sorted(who.purposes)),
        do=f"ask for a key with the purpose {purpose}",
    )


Opened = Annotated["Platform", Depends(opened)]
Caller = Annotated[Principal, Depends(caller)]
Purpose = Annotated[str, Depends(purpose)]
