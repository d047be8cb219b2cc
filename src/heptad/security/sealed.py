# SPDX-License-Identifier: Apache-2.0
"""One text or file sealed under the key of the person whom it is about, bound to its place.

What is sealed is `nonce (12 bytes) | AES-256-GCM ciphertext | tag (16 bytes)`; moved to another
place it does not open.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heptad.security.envelope import NONCE_BYTES, RESTORE
from heptad.standards.errors import Corrupt


def seal_bytes(plain: bytes, key: bytes, bound: bytes) -> bytes:
    """Seal bytes.

    Args:
        plain: what is sealed.
        key: of the person, 32 bytes.
        bound: says where it belongs; it is opened there only.
    """
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound)


def open_bytes(sealed: bytes, key: bytes, bound: bytes, what: str, do: str = RESTORE) -> bytes:
    """Open what `seal_bytes` sealed.

    Args:
        sealed: what it answered.
        key: of the person.
        bound: where it belongs.
        what: it is called, for an error.
        do: the cure, for an error.

    Raises:
        Corrupt: if it was changed, or belongs elsewhere, or to somebody else.
    """
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError) as error:
        raise Corrupt(f"{what} cannot be opened with the key of its person.", do=do) from error
