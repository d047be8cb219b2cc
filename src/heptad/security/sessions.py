# SPDX-License-Identifier: Apache-2.0
"""Sessions of people who signed in: kept by the server, ended by time, bound to a second token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from heptad.security.apikeys import Principal
from heptad.security.purposes import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_S, WHOLE_S = 30 * 60, 8 * 3600
"""How long a session lasts without a call, and in all."""
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in.

    Attributes:
        who: as whom they act.
        csrf: what a call that changes something must bring besides the cookie.
        began: monotonic seconds.
        seen: when they last called.
        stamp: of a local user, as it was when the session began; "" for others.
    """

    who: Principal
    csrf: str
    began: float
    seen: float
    stamp: str = ""


class Sessions:
    """The sessions of one server; they end with it. Only digests of their names are held.

    Args:
        now: tells monotonic seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._lock = now, threading.Lock()
        self._held: dict[bytes, Session] = {}

    def begin(self, who: str, role: str, stamp: str = "") -> str:
        """Begin a session for somebody in a role; return its name, which only the browser keeps."""
        name, at = secrets.token_urlsafe(32), self._now()
        principal = Principal(who, role, ROLES[role].purposes)
        with self._lock:
            self._sweep(at)
            while len(self._held) >= MOST:
                self._held.pop(next(iter(self._held)))
            self._held[_digest(name)] = Session(principal, secrets.token_urlsafe(32), at, at, stamp)
        return name

    def find(self, name: str) -> Session | None:
        """Return a session that has not ended, and note that it was used."""
        at = self._now()
        with self._lock:
            found = self._held.get(_digest(name))
            if found is None or _over(found, at):
                self._held.pop(_digest(name), None)
                return None
            self._held[_digest(name)] = replace(found, seen=at)
            return found

    def end(self, name: str) -> None:
        """End a session, now."""
        with self._lock:
            self._held.pop(_digest(name), None)

    def _sweep(self, at: float) -> None:
        self._held = {name: s for name, s in self._held.items() if not _over(s, at)}


def brings(session: Session, token: str) -> bool:
    """Whether a call brings the session's second token."""
    return hmac.compare_digest(session.csrf.encode(), token.encode())


def _over(session: Session, at: float) -> bool:
    return at - session.seen > IDLE_S or at - session.began > WHOLE_S


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
