# SPDX-License-Identifier: Apache-2.0
"""What erasing a person means: every store says what it holds of them, and lets go of it.

A store joins by a `Holder`. Whatever lies in a project folder must be answered for by one of
them, which `uncovered` checks: a store that nobody thought of when it was added would otherwise
keep an erased person for ever.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, Protocol

from cryptography.exceptions import InvalidSignature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

Fate = Literal["sealed", "removed", "kept", "yours"]
"""What erasing does to a holding: sealed under the person's key and unreadable without it;
removed; kept, because it does not say who the person is or must be accounted for; or yours, a
file of the institution's own, which Heptad names and does not touch."""

LEAST = 5
"""Characters from which a personal value is looked for by itself: shorter ones are in anything."""

_SIGNED = b"heptad erasure|"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom an erasure is about.

    Attributes:
        type: the table whose row the person is, `Customer`.
        key: the key of that row.
        values: personal texts held of the person, as long as their key opens them; never shown.
    """

    type: str
    key: str
    values: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def subject(self) -> str:
        """The name under which the key store knows the person: `Customer:42`."""
        return f"{self.type}:{self.key}"

    def said_in(self, text: str) -> bool:
        """Whether a text has a personal value of this person in it, in whatever case."""
        folded = text.casefold()
        return any(len(v) >= LEAST and v.casefold() in folded for v in self.values)


@dataclass(frozen=True, slots=True)
class Holding:
    """Something that a store holds of a person.

    Attributes:
        store: name of the holder.
        what: what it is, in the user's nouns.
        n: how many.
        fate: what erasing does to it.
        why: a sentence on that; "" where the fate says it all.
    """

    store: str
    what: str
    n: int
    fate: Fate
    why: str = ""


class Holder(Protocol):
    """A store, as far as persons are concerned."""

    @property
    def name(self) -> str:
        """What the store is called."""
        ...

    @property
    def covers(self) -> Sequence[str]:
        """Patterns (`fnmatch`) of the paths, in the project folder, that the store answers for."""
        ...

    @property
    def lets_go(self) -> bool:
        """Whether erasing removes or closes something here; else what is here is only named."""
        ...

    def held(self, person: Person) -> list[Holding]:
        """Return what is held of a person; nothing is changed."""
        ...

    def erase(self, people: Sequence[Person]) -> int:
        """Let go, durably, of what is to be removed; may be repeated after a kill at any point.

        Returns:
            How many things were removed; 0 if all of it was before.
        """
        ...


def uncovered(folder: Path, holders: Iterable[Holder]) -> list[str]:
    """Return the files of a project folder that no holder answers for, sorted.

    Args:
        folder: of the project.
        holders: the stores.
    """
    patterns = [pattern for holder in holders for pattern in holder.covers]
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in found if not any(fnmatchcase(name, p) for p in patterns))


def signed(receipt: Mapping[str, Any], signer: Ed25519PrivateKey) -> dict[str, Any]:
    """Return a receipt with a signature over all that it says."""
    return {**receipt, "signature": signer.sign(_message(receipt)).hex()}


def is_genuine(receipt: Mapping[str, Any], public: Ed25519PublicKey) -> bool:
    """Whether a receipt says what was signed."""
    said = {name: value for name, value in receipt.items() if name != "signature"}
    try:
        public.verify(bytes.fromhex(str(receipt.get("signature", ""))), _message(said))
    except (InvalidSignature, ValueError):
        return False
    return True


def _message(receipt: Mapping[str, Any]) -> bytes:
    return _SIGNED + json.dumps(receipt, sort_keys=True, separators=(",", ":")).encode()
