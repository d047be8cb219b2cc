# SPDX-License-Identifier: Apache-2.0
"""Routes by which people sign in, with OpenID Connect or a password of ours, and out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from heptad.security.oidc import PENDING_S, Provider, own_path
from heptad.security.users import LONGEST, LONGEST_NAME
from heptad.sources.config import revealed
from heptad.standards.errors import ContractError, Refused, Unauthorised
from heptad.terminal.http.access import (
    Caller,
    Opened,
    address_of,
    from_our_page,
    is_secure,
    name_of,
)
from heptad.terminal.http.decisions import json_only
from heptad.terminal.http.problems import RESPONSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.runtime import Platform
    from heptad.sources.signin import Signin

router = APIRouter(prefix="/v1", tags=["console"], responses=RESPONSES)
BACK = "/v1/signin/back"
PENDING = "heptad-signin"


class Ways(BaseModel):
    """How a person can sign in here."""

    provider: str | None = Field(description="Host of the OpenID provider; none without one.")
    local: bool = Field(description="Whether there are users with passwords.")


class EnterPlease(BaseModel):
    """Name and password of a local user."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    password: str = Field(min_length=1, max_length=LONGEST)


def provider_of(platform: Platform) -> Provider | None:
    """Return the provider that a project's people sign in with."""
    given = platform.project.signin
    if not given.issuer:
        return None
    return Provider(given.issuer, given.client, revealed(given.secret, platform.path))


def _provider(request: Request) -> Provider:
    found: Provider | None = request.app.state.provider
    if found is None:
        raise ContractError("Nobody signs in here.", do="declare [signin] in heptad.toml")
    return found


@router.get("/signin")
def ways(request: Request, platform: Opened) -> Ways:
    """Say how a person can sign in; needs no key."""
    found: Provider | None = request.app.state.provider
    host = None if found is None else found.issuer.partition("//")[2]
    return Ways(provider=host, local=bool(platform.users.all()))


@router.post("/signin", include_in_schema=False, dependencies=[Depends(json_only)])
def enter(request: Request, platform: Opened, please: EnterPlease) -> JSONResponse:
    """Let a local user in by their password, and begin a session."""
    from_our_page(request)
    try:
        user = platform.users.enter(please.name, please.password)
    except Unauthorised as error:
        # What was written as a name may be a password.
        known = please.name if platform.users.find(please.name) else "unknown"
        platform.guard.refused("signin", who=known, role="", purpose="", why=error.what)
        raise
    answer = JSONResponse({"role": user.role}, headers={"Cache-Control": "no-store"})
    name = request.app.state.sessions.begin(user.name, user.role, user.stamp)
    _set(answer, request, name_of(request), name)
    return answer


@router.get("/signin/go", include_in_schema=False)
def go(
    request: Request,
    provider: Annotated[Provider, Depends(_provider)],
    to: Annotated[str, Query(max_length=2000)] = "/",
) -> RedirectResponse:
    """Send the browser to the provider, bound by a cookie to what it brings back."""
    where, bound = provider.begin(to, address_of(request).geturl().rstrip("/") + BACK)
    answer = RedirectResponse(where, status_code=303, headers={"Cache-Control": "no-store"})
    _set(answer, request, PENDING, bound, max_age=PENDING_S)
    return answer


@router.get("/signin/back", include_in_schema=False)
def back(
    request: Request,
    platform: Opened,
    provider: Annotated[Provider, Depends(_provider)],
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
) -> RedirectResponse:
    """Take the code that the provider gave, check who it is, and begin a session."""
    claims, to = provider.end(state, request.cookies.get(PENDING, ""), code)
    given = platform.project.signin
    role = role_of(claims, given)
    who = str(claims.get(given.user) or "")
    if not who or not role:
        why = "This person has no role here." if who else f"The provider does not say {given.user}."
        platform.guard.refused("signin", who=who or "unknown", role="", purpose="", why=why)
        raise Refused(why, got=who, do="put one of their groups into [signin] roles")
    answer = RedirectResponse(own_path(to), status_code=303, headers={"Cache-Control": "no-store"})
    _set(answer, request, name_of(request), request.app.state.sessions.begin(who, role))
    _drop(answer, request, PENDING)
    return answer


@router.post("/signout", include_in_schema=False)
def signout(request: Request, _: Caller) -> JSONResponse:
    """End the session of whoever calls."""
    request.app.state.sessions.end(request.cookies.get(name_of(request), ""))
    answer = JSONResponse({"signed_out": True})
    _drop(answer, request, name_of(request))
    return answer


def role_of(claims: Mapping[str, object], given: Signin) -> str:
    """Return the role of the first group in the project file that somebody is in; "" for none."""
    said = claims.get(given.claim)
    listed = said if isinstance(said, list) else [said]
    groups = {group for group in listed if isinstance(group, str)}
    return next((role for group, role in given.roles.items() if group in groups), "")


def _set(
    answer: Response, request: Request, name: str, value: str, max_age: int | None = None
) -> None:
    """Put a cookie that no script reads and no other site sends along with a change."""
    answer.set_cookie(
        name, value, max_age=max_age, path="/", httponly=True, samesite="lax",
        secure=is_secure(request),
    )  # fmt: skip


def _drop(answer: Response, request: Request, name: str) -> None:
    """Take a cookie back; browsers take a `__Host-` one from a secure answer only."""
    answer.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=is_secure(request))
