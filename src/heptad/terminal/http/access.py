# SPDX-License-Identifier: Apache-2.0
"""Who calls, in which role and why: loopback without keys, a key, or a session of who signed in."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, NamedTuple
from urllib.parse import SplitResult, urlsplit

from fastapi import Depends, Header, Query, Request

from heptad.security.apikeys import ApiKeys, Principal
from heptad.security.purposes import PURPOSES, REVIEWS, find_purpose, may_act, reviewing
from heptad.security.sessions import brings
from heptad.standards.errors import Refused, Unauthorised

if TYPE_CHECKING:
    from heptad.runtime import Platform

LOCAL = "admin"
"""The role of whoever calls from this machine while no key has been issued."""
WRITERS = frozenset({"admin", "engineer", "app"})
"""Roles that may post rows to any table."""


APPROVERS = frozenset({"admin", "risk"})
"""Roles that may let a model decide."""


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

    Without keys and users only this machine may call, as admin. Once a key was issued, or from
    elsewhere, every call needs one; once there was a user, a key or a session.

    Raises:
        Unauthorised: if a key is needed and none that is valid was given.
    """
    platform = opened(request)
    keys = api_keys(platform)
    if authorization is None and people_sign_in(request):
        return signed_in(request)
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


def people_sign_in(request: Request) -> bool:
    """Whether people have accounts here, at a provider or of the project itself.

    A project that had users once is not open to this machine again when the last one is removed.
    """
    platform = opened(request)
    return bool(platform.project.signin.issuer) or platform.users.begun()


def from_our_page(request: Request) -> None:
    """Refuse what a page from elsewhere would have changed.

    Raises:
        Refused: if the browser says that another page called.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != address_of(request).netloc:
        raise Refused("A page from elsewhere may change nothing.", got=origin)


COOKIE, SECURED = "heptad-session", "__Host-heptad-session"
CSRF = "heptad-csrf"
"""Header that a call which changes something brings besides the cookie."""
SAFE = frozenset({"GET", "HEAD"})


def address_of(request: Request) -> SplitResult:
    """Return by which address browsers reach this server: as the project file says, or as called."""
    return urlsplit(opened(request).project.signin.url or str(request.base_url))


def is_secure(request: Request) -> bool:
    """Whether browsers speak TLS with this server, or with the proxy in front of it."""
    return address_of(request).scheme == "https"


def name_of(request: Request) -> str:
    """Return the name of the session's cookie; over https one that no other host can set."""
    return SECURED if is_secure(request) else COOKIE


def signed_in(request: Request) -> Principal:
    """Return who signed in, if the call is theirs and was made by our own page.

    Raises:
        Unauthorised: if nobody did, or the session is over.
        Refused: if a call that changes something lacks the session's second token, or was made
            by a page from elsewhere.
    """
    name, sessions = request.cookies.get(name_of(request), ""), request.app.state.sessions
    users, found = opened(request).users, sessions.find(name)
    if found is not None and found.stamp and not users.stands(found.who.id, found.stamp):
        sessions.end(name)
        found = None
    if found is None:
        raise Unauthorised("Nobody is signed in.", do="sign in, or send a key")
    if request.method not in SAFE:
        from_our_page(request)
        if not brings(found, request.headers.get(CSRF, "")):
            raise Refused("The call lacks the session's token.", do=f"send the header {CSRF}")
    who: Principal = found.who
    return who


def csrf_of(request: Request) -> str:
    """Return the second token of the session of whoever calls; "" if a key does."""
    if "authorization" in request.headers:
        return ""
    found = request.app.state.sessions.find(request.cookies.get(name_of(request), ""))
    return "" if found is None else str(found.csrf)


def purpose(
    request: Request,
    who: Annotated[Principal, Depends(caller)],
    heptad_purpose: Annotated[
        str,
        Header(
            description="Why you read; without it personal values are masked.",
            examples=["service"],
        ),
    ] = "",
) -> str:
    """Say for which purpose the call is made; "" for none. A refusal is recorded.

    Raises:
        UnknownName: if there is no such purpose.
        Refused: if the caller may not act for it.
        Busy: if the refusal cannot be recorded.
    """
    if not heptad_purpose:
        return ""
    find_purpose(heptad_purpose)
    if heptad_purpose not in who.purposes or not may_act(who.role, heptad_purpose):
        error = Refused(
            f"This caller, a {who.role}, may not act for {heptad_purpose}.",
            do="ask for a key with that purpose",
        )
        raise _recorded(error, opened(request), who, heptad_purpose, request.url.path)
    return heptad_purpose


class Reader(NamedTuple):
    """Who reads and why.

    Attributes:
        who: the caller.
        stated: the purpose stated; "" for none.
    """

    who: Principal
    stated: str

    def plain(self) -> dict[str, str]:
        """Return what a command is told of the reader."""
        return {"who": self.who.id, "role": self.who.role, "purpose": self.stated}

    def of(self, platform: Platform, app: str = "") -> dict[str, str]:
        """Return what a command that reads decisions is told of the reader.

        The purpose is the one stated; else that of the application, or a review, as far as the
        caller's key has it.

        Args:
            platform: the open project.
            app: the application whose decisions are read; every one if "".

        Raises:
            UnknownName: if there is no such application.
            Refused: if the caller has no purpose for which they may be read; it is recorded.
        """
        who, wanted = self.who, platform.app(app).purpose if app else ""
        why = self.stated or reviewing(who.role, who.purposes, wanted)
        if why not in (wanted, *REVIEWS) or not why:
            error = _refused(who, app, wanted) if app else _unreviewed(who)
            raise _recorded(error, platform, who, why, app)
        return {"who": who.id, "role": who.role, "purpose": why}


def reader(
    who: Annotated[Principal, Depends(caller)], why: Annotated[str, Depends(purpose)]
) -> Reader:
    """Say who reads and why."""
    return Reader(who, why)


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


def require_approver(who: Principal) -> None:
    """Let only those let a model decide who judge risk or run the platform.

    Raises:
        Refused: if the caller is another.
    """
    if who.role not in APPROVERS:
        raise Refused(
            f"A key of the role {who.role} may not approve models.",
            do=f"use one of the roles {', '.join(sorted(APPROVERS))}",
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


def _recorded(error: Refused, platform: Platform, who: Principal, why: str, what: str) -> Refused:
    """Record a refusal before it is told."""
    platform.guard.refused(
        what or "decisions", who=who.id, role=who.role, purpose=why, why=error.what
    )
    return error


def _unreviewed(who: Principal) -> Refused:
    return Refused(
        "The decisions of all applications are read to review them only.",
        got=", ".join(sorted(who.purposes)),
        do="name one application with app=, or use a key with the purpose audit",
    )


def _refused(who: Principal, app: str, purpose: str) -> Refused:
    return Refused(
        f"The application {app} works for the purpose {purpose}, which this key does not have.",
        got=", ".join(sorted(who.purposes)),
        do=f"ask for a key with the purpose {purpose}",
    )


Opened = Annotated["Platform", Depends(opened)]
Caller = Annotated[Principal, Depends(caller)]
Reads = Annotated[Reader, Depends(reader)]
At = Annotated[
    str, Query(description="As of this instant, ISO 8601; now by default.", examples=["2026-03-01"])
]
