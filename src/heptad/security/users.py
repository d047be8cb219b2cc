# SPDX-License-Identifier: Apache-2.0
"""Local users, where there is no identity provider: names, roles and hashed passwords.

Passwords are hashed with Argon2id (RFC 9106). Whoever guesses is slowed down for each name, in
memory; an unknown name takes as long as a wrong password.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from heptad.security.purposes import ROLES
from heptad.standards.errors import (
    Busy,
    Conflict,
    ContractError,
    Unauthorised,
    UnknownName,
    suggest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from argon2 import PasswordHasher

KEPT = "local users"
"""Where they stand among the settings of the catalog."""
SHORTEST, LONGEST, LONGEST_NAME = 12, 200, 64
FREE, FIRST_S, LONGEST_S = 5, 1.0, 900.0
"""Wrong passwords that cost nothing, the wait after the next one, and the longest wait."""
AT_ONCE = 2
"""Passwords that are hashed at once: each takes 64 MiB."""
_MOST_GUESSED = 10_000


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who signs in with a password.

    Attributes:
        name: by which they are called.
        role: as which they act.
        since: when they were added, µs UTC.
        stamp: changes with password and role; sessions of an older stamp are over.
        hash: of the password, Argon2id with its parameters.
    """

    name: str
    role: str
    since: int
    stamp: str
    hash: str


class Kept(Protocol):
    """Where users are kept: plain values by name, durable."""

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value."""

    def set(self, name: str, value: Any) -> None:
        """Keep a value."""


class Users:
    """The local users of a project; whoever changes them does it here, one after the other.

    Args:
        settings: where they are kept.
        now: tells monotonic seconds.

    Attributes:
        changes: grows with every user that is added, changed or removed.
    """

    def __init__(self, settings: Kept, now: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._now = settings, now
        self._changing, self._lock = threading.RLock(), threading.Lock()
        self._hashing = threading.BoundedSemaphore(AT_ONCE)
        self._guessed: dict[str, tuple[int, float]] = {}
        self.changes = 0

    def begun(self) -> bool:
        """Whether there ever was a user: from then on people sign in, if none is left also."""
        return self._settings.get(KEPT) is not None

    def all(self) -> list[User]:
        """Return the users by name."""
        kept: dict[str, dict[str, Any]] = self._settings.get(KEPT, {})
        return [User(name, **values) for name, values in sorted(kept.items())]

    def find(self, name: str) -> User | None:
        """Return a user, or None."""
        return next((user for user in self.all() if user.name == name), None)

    def add(self, name: str, role: str, password: str, at: int) -> User:
        """Add a user.

        Raises:
            ContractError: if the name or the password does not do.
            UnknownName: if there is no such role for a person.
            Conflict: if there is somebody of that name, however it is written.
        """
        if not (0 < len(name) <= LONGEST_NAME) or not name.isprintable() or name != name.strip():
            raise ContractError("A name is 1 to 64 printable characters.", got=name)
        if role not in ROLES or role == "app":
            known = sorted(set(ROLES) - {"app"})
            raise UnknownName(f"Nobody signs in as {role!r}.", got=role, do=suggest(role, known))
        _check(name, password)
        made = User(name, role, at, secrets.token_hex(8), _hasher().hash(password))
        with self._changing:
            if any(user.name.casefold() == name.casefold() for user in self.all()):
                raise Conflict("There is a user of this name.", got=name, do="choose another name")
            return self._keep(made)

    def change(self, name: str, password: str) -> User:
        """Give a user another password; their sessions are over.

        Raises:
            UnknownName: if there is no such user.
            ContractError: if the password does not do.
        """
        with self._changing:
            user = self._get(name)
            _check(name, password)
            self._forgive(name)
            hashed = _hasher().hash(password)
            return self._keep(User(name, user.role, user.since, secrets.token_hex(8), hashed))

    def remove(self, name: str) -> None:
        """Remove a user; their sessions are over.

        Raises:
            UnknownName: if there is no such user.
        """
        with self._changing:
            self._get(name)
            kept = self._settings.get(KEPT, {})
            del kept[name]
            self._settings.set(KEPT, kept)
            self.changes += 1

    def enter(self, name: str, password: str) -> User:
        """Let somebody in by their password.

        Raises:
            Unauthorised: if name and password do not belong together.
            Busy: if too many guesses came for this name, or too many sign in at once.
        """
        self._guess(name)
        user = self.find(name)
        if not self._hashing.acquire(timeout=5):
            self._take_back(name)
            raise Busy("Too many people sign in at once.", do="try again in some seconds")
        try:
            right = _verify(user.hash if user else _nobodys(), password)
        finally:
            self._hashing.release()
        if user is None or not right:
            raise Unauthorised("Name and password do not belong together.", do="try again")
        self._forgive(name)
        if _hasher().check_needs_rehash(user.hash):
            self._hash_again(user, password)
        return user

    def stands(self, name: str, stamp: str) -> bool:
        """Whether a session that was begun by a user still holds."""
        user = self.find(name)
        return user is not None and user.stamp == stamp

    def _get(self, name: str) -> User:
        user = self.find(name)
        if user is None:
            known = [other.name for other in self.all()]
            raise UnknownName(f"There is no user {name!r}.", got=name, do=suggest(name, known))
        return user

    def _keep(self, user: User) -> User:
        kept = self._settings.get(KEPT, {})
        kept[user.name] = {n: getattr(user, n) for n in ("role", "since", "stamp", "hash")}
        self._settings.set(KEPT, kept)
        self.changes += 1
        return user

    def _hash_again(self, user: User, password: str) -> None:
        """Hash a password as it is done by now, unless it was changed meanwhile."""
        with self._changing:
            if self.find(user.name) == user:
                self._keep(replace(user, hash=_hasher().hash(password)))

    def _guess(self, name: str) -> None:
        """Count a guess before it is looked at, or refuse it if it comes too soon.

        Whoever comes at the same time finds it counted; who was right is forgiven.

        Raises:
            Busy: if it comes too soon.
        """
        with self._lock:
            times, last = self._guessed.get(name, (0, 0.0))
            wait = min(LONGEST_S, FIRST_S * 2 ** (times - FREE)) if times >= FREE else 0.0
            left = last + wait - self._now()
            if left <= 0:
                self._note(name, times + 1)
                return
        raise Busy(
            "Too many wrong passwords came for this name.",
            got=f"{times} wrong ones",
            do=f"wait {left:.0f} s",
        )

    def _note(self, name: str, times: int) -> None:
        self._guessed.pop(name, None)
        while len(self._guessed) >= _MOST_GUESSED:
            self._guessed.pop(next(iter(self._guessed)))
        self._guessed[name] = (times, self._now())

    def _take_back(self, name: str) -> None:
        """Count a guess no more that was not looked at."""
        with self._lock:
            times = self._guessed.get(name, (0, 0.0))[0]
            if times:
                self._note(name, times - 1)

    def _forgive(self, name: str) -> None:
        with self._lock:
            self._guessed.pop(name, None)


def _check(name: str, password: str) -> None:
    """Check that a password is long, and not the name.

    Raises:
        ContractError: if it does not do.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise ContractError(
            f"A password has {SHORTEST} to {LONGEST} characters.",
            got=f"{len(password)} characters",
            do="take some words that nobody would put together",
        )
    if name.casefold() in password.casefold() and len(name) > 3:
        raise ContractError("A password does not hold the name.", do="take other words")
    if len(set(password)) < SHORTEST // 2:
        raise ContractError("A password has more than a few different characters.")


def _verify(hashed: str, password: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return _hasher().verify(hashed, password[:LONGEST])
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


@cache
def _nobodys() -> str:
    """Return the hash of a password that nobody knows, for names that nobody has."""
    return _hasher().hash(secrets.token_hex(16))
