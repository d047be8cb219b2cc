# SPDX-License-Identifier: Apache-2.0
"""Signed checkpoints of a log, in the text form that witnesses and auditors exchange.

A checkpoint is the text ``origin``, size and base64 root, a line each; a signed note is that text,
an empty line, and a line for each signature. Sources: C2SP signed-note and tlog-checkpoint.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from heptad.security.merkle import HASH_BYTES
from heptad.standards.errors import Corrupt, InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE_BYTES: Final = 64
_ED25519: Final = b"\x01"
_KEY_HASH_BYTES: Final = 4
_DASH: Final = "\u2014 "
_LONGEST_NOTE: Final = 100_000
_CURE: Final = "give the checkpoint byte for byte as it was kept."


class Signer(Protocol):
    """What signs heads: an Ed25519 private key of `cryptography` is one."""

    def sign(self, data: bytes, /) -> bytes:
        """64 bytes that only the key's holder can make for `data`."""
        ...

    def public_key(self) -> Ed25519PublicKey:
        """The key that anyone may check signatures with."""
        ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The statement that the log called `origin` had this Merkle root at this size."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The lines that are signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def check_name(name: str) -> str:
    """Return `name` if it can name a log and its key.

    Raises:
        InputError: if it is empty or has a plus sign, a space or a control character.
    """
    if not name or "+" in name or any(c.isspace() or not c.isprintable() for c in name):
        raise InputError(
            "A log's name must have no space, no plus sign and no control character.", got=name
        )
    return name


def key_bytes(public: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    return public.public_bytes_raw()


def key_hash(name: str, public: Ed25519PublicKey) -> bytes:
    """Four bytes that tell signatures by different keys apart; no proof of anything."""
    return sha256(name.encode() + b"\n" + _ED25519 + key_bytes(public)).digest()[:_KEY_HASH_BYTES]


def verifier_key(name: str, public: Ed25519PublicKey) -> str:
    """The public key as one line of text, to hand to an auditor."""
    check_name(name)
    encoded = b64encode(_ED25519 + key_bytes(public)).decode()
    return f"{name}+{key_hash(name, public).hex()}+{encoded}"


def read_verifier_key(text: str) -> tuple[str, Ed25519PublicKey]:
    """Read what `verifier_key` wrote: the name and the key.

    Raises:
        InputError: if it is not such a line, or its parts do not belong together.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    name, _, rest = text.strip().partition("+")
    digest, _, encoded = rest.partition("+")
    body = _decoded(encoded)
    if body is not None and body[:1] == _ED25519 and len(body) == 1 + 32:
        public = Ed25519PublicKey.from_public_bytes(body[1:])
        if digest == key_hash(check_name(name), public).hex():
            return name, public
    raise InputError("This is not a verifier key (name+hash+key).", got=text)


def note(checkpoint: Checkpoint, signature: bytes, public: Ed25519PublicKey) -> str:
    """The signed note of a checkpoint whose text `signature` signs."""
    check_name(checkpoint.origin)
    body = b64encode(key_hash(checkpoint.origin, public) + signature).decode()
    return f"{checkpoint.text()}\n{_DASH}{checkpoint.origin} {body}\n"


def read_note(text: str, origin: str, public: Ed25519PublicKey) -> Checkpoint:
    """The checkpoint in a signed note, once a signature by `public` in the log's name holds.

    Signatures by others, such as witnesses, and extension lines of the text are allowed.

    Raises:
        InputError: if the text is not a signed checkpoint, or is one of another log.
        Corrupt: if the log's signature is missing or false.
    """
    from cryptography.exceptions import InvalidSignature

    body, checkpoint, signatures = _parsed(text)
    if checkpoint.origin != origin:
        raise InputError(
            f"The checkpoint is of another log than {origin}.", got=checkpoint.origin, do=_CURE
        )
    ours = [sig for name, sig in signatures if name == origin]
    for signature in ours:
        if signature[:_KEY_HASH_BYTES] == key_hash(origin, public):
            try:
                public.verify(signature[_KEY_HASH_BYTES:], body.encode())
            except InvalidSignature:
                raise _forged(origin) from None
            return checkpoint
    raise _forged(origin)


def _forged(origin: str) -> Corrupt:
    return Corrupt(
        f"The checkpoint was not signed by the key of the log {origin}.",
        do="use a checkpoint from a place that you trust; this one proves nothing.",
    )


def _parsed(text: str) -> tuple[str, Checkpoint, list[tuple[str, bytes]]]:
    """Split a note into the signed text, its checkpoint, and (name, hash and signature) pairs."""
    body, gap, tail = text.rpartition("\n\n")
    lines = body.split("\n")
    if not gap or len(text) > _LONGEST_NOTE or len(lines) < 3 or not tail.endswith("\n"):
        raise _malformed(text)
    origin, size, root = lines[0], lines[1], _decoded(lines[2])
    decimal = size.isascii() and size.isdecimal() and str(int(size[:20])) == size
    if not origin or not decimal or root is None or len(root) != HASH_BYTES:
        raise _malformed(text)
    signatures = [_signature(line, text) for line in tail[:-1].split("\n")]
    return body + "\n", Checkpoint(origin, int(size), root), signatures


def _signature(line: str, text: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    body = _decoded(encoded)
    if not line.startswith(_DASH) or not name or body is None or len(body) <= _KEY_HASH_BYTES:
        raise _malformed(text)
    return name, body


def _malformed(text: str) -> InputError:
    return InputError("This is not a signed checkpoint.", got=text, do=_CURE)


def _decoded(text: str) -> bytes | None:
    """Bytes of strict base64, or None; no second spelling of the same bytes is accepted."""
    try:
        body = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return body if b64encode(body).decode() == text else None
