# SPDX-License-Identifier: Apache-2.0
"""A key-encryption key closed by OpenBao or Vault (secrets engine *transit*), over plain HTTPS.

The file `kek` then holds only what the service encrypted. Each epoch is a version of the
service's key; when an epoch ends, the versions before it are trimmed, which is final: no copy
of an older `kek` opens again, wherever it was kept.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from heptad.security import envelope
from heptad.security.envelope import KEY_BYTES, Kek
from heptad.standards.errors import Busy, Corrupt, HeptadError, InputError, Refused

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

TOKENS = ("BAO_TOKEN", "VAULT_TOKEN")
"""Environment variables that may hold the token, as the service's own tools read them."""

_ADDRESS = re.compile(r"/(?P<mount>[A-Za-z0-9_./-]+)/(?P<key>[A-Za-z0-9_.-]+)/?")
_CIPHERTEXT = re.compile(r"vault:v([0-9]{1,9}):[A-Za-z0-9+/=]+")
_TIMEOUT_S = 10.0
_TOO_OLD = "too old"


class Transit:
    """A client of one transit key: encrypt, decrypt, rotate, trim.

    Args:
        address: `https://HOST:PORT/MOUNT/KEY`; plain http only to this machine.
        token: proves who asks.
        ca: file of the certificates to trust; those of the system by default.
        client: another HTTP client, for tests.

    Raises:
        InputError: if the address is none, or would send the token in the clear.
    """

    def __init__(
        self, address: str, token: str, *, ca: str = "", client: httpx.Client | None = None
    ) -> None:
        self._base, self._mount, self._key = _parsed(address)
        if not token:
            raise InputError(
                "The key service needs a token.",
                do=f'export {TOKENS[0]}=…, or write [security] token = "${{file:path}}"',
            )
        self._token, self._ca = token, ca
        self._given = client
        self._made: httpx.Client | None = None

    def __repr__(self) -> str:
        return f"Transit({self._base}/{self._mount}/{self._key})"

    def encrypt(self, plain: bytes, bound: bytes) -> str:
        """Encrypt under the key's latest version."""
        body = {"plaintext": _b64(plain), "associated_data": _b64(bound)}
        return self._call(f"encrypt/{self._key}", body, "ciphertext")

    def decrypt(self, ciphertext: str, bound: bytes) -> bytes:
        """Decrypt.

        Raises:
            Refused: if the version that encrypted it was destroyed, or the token may not.
            Corrupt: if it was changed.
        """
        body = {"ciphertext": ciphertext, "associated_data": _b64(bound)}
        return base64.b64decode(self._call(f"decrypt/{self._key}", body, "plaintext"))

    def rotate(self) -> None:
        """Add a version to the key; what was encrypted before still decrypts."""
        self._call(f"keys/{self._key}/rotate", {})

    def trim(self, version: int) -> None:
        """Destroy the versions of the key before `version` for good; may be repeated."""
        least = {"min_decryption_version": version, "min_encryption_version": version}
        self._call(f"keys/{self._key}/config", least)
        self._call(f"keys/{self._key}/trim", {"min_available_version": version})

    def close(self) -> None:
        """Let go of the connection; it is made again when it is needed."""
        if self._made is not None:
            self._made.close()
            self._made = None

    @property
    def _client(self) -> httpx.Client:
        if self._given is None and self._made is None:
            self._made = _client(self._ca)
        return self._given or self._made  # type: ignore[return-value]

    def _call(self, path: str, body: dict[str, Any], wanted: str = "") -> str:
        """Ask the service, and return a field of what it answers.

        Its own messages are passed on, for they never quote what was sent.
        """
        import httpx

        url = f"{self._base}/v1/{self._mount}/{path}"
        try:
            answer = self._client.post(url, json=body, headers={"X-Vault-Token": self._token})
            document = answer.json() if answer.content else {}
        except (httpx.HTTPError, ValueError) as error:
            raise self._unreachable(type(error).__name__) from error
        document = document if isinstance(document, dict) else {}
        if answer.is_error:
            raise self._refusal(answer.status_code, document)
        found = (document.get("data") or {}).get(wanted, "")
        if not answer.is_success or (wanted and not (found and isinstance(found, str))):
            raise self._unreachable(f"status {answer.status_code} without what was asked for")
        return str(found)

    def _unreachable(self, why: str) -> Busy:
        return Busy(
            "The key service cannot be reached.",
            got=f"{self._base}: {why}",
            do="see that it runs, is unsealed, and that its certificate is trusted",
        )

    def _refusal(self, status: int, document: dict[str, Any]) -> HeptadError:
        said = "; ".join(map(str, document.get("errors") or [])) or f"status {status}"
        if _TOO_OLD in said:
            return Refused(
                "The key service has destroyed the version that these keys were closed with.",
                got=said,
                do=f"it is a copy from before an erasure or a rotation; of today's, {envelope.PUT_BACK}",
            )
        if status in (403, 404):
            return Refused(
                "The key service does not let us use its key.",
                got=f"{self._mount}/{self._key}: {said}",
                do="check the token, and that its policy permits encrypt, decrypt, rotate, config "
                "and trim of this key",
            )
        if status == 400:
            return Corrupt(
                "The key service does not open what is in the key file.",
                got=said,
                do=envelope.PUT_BACK,
            )
        return Busy("The key service failed.", got=said, do="try again when it is well")


class TransitLock:
    """Closes a key-encryption key with a transit key; its versions follow the epochs.

    Args:
        transit: the client.
    """

    def __init__(self, transit: Transit) -> None:
        self._transit = transit

    def save(self, path: Path, kek: Kek) -> None:
        """Write a key-encryption key durably, encrypted by the service.

        The first epoch takes the key as it is; each later one rotates it first, so that its
        version is above that of the epoch before.
        """
        if kek.epoch > 1:
            self._transit.rotate()
        sealed = self._transit.encrypt(kek.key, _bound(kek.epoch))
        document = {"format": envelope.FORMAT, "epoch": kek.epoch, "transit": sealed}
        envelope.write_durably(path, json.dumps(document).encode() + b"\n")

    def load(self, path: Path) -> Kek:
        """Read it back.

        Raises:
            Corrupt: if the file is not what was written.
            Refused: if the service has destroyed what opens it, or does not let us.
            Busy: if the service cannot be reached.
        """
        epoch, sealed = _stored(path)
        try:
            key = self._transit.decrypt(sealed, _bound(epoch))
        except (binascii.Error, KeyError) as error:
            raise envelope.damaged(path) from error
        if len(key) != KEY_BYTES:
            raise envelope.damaged(path)
        return Kek(epoch, key)

    def retire(self, path: Path) -> None:
        """Trim the versions before the one that closed the file at `path`."""
        _, sealed = _stored(path)
        found = _CIPHERTEXT.fullmatch(sealed)
        self._transit.trim(int(found[1]) if found else 1)

    def close(self) -> None:
        """Let go of the connection; it is made again when it is needed."""
        self._transit.close()


def _stored(path: Path) -> tuple[int, str]:
    """Read a key file: its epoch and what the service encrypted."""
    document = envelope.document_of(path)
    epoch, sealed = document.get("epoch"), document.get("transit")
    if "kek" in document:
        raise Corrupt(
            "The key file is not closed by the key service.",
            do="[security] keys names a service, but these keys were made with a file; "
            "take the line out, or restore the keys made with the service",
        )
    if not isinstance(epoch, int) or not isinstance(sealed, str):
        raise envelope.damaged(path)
    if not _CIPHERTEXT.fullmatch(sealed):
        raise envelope.damaged(path)
    return epoch, sealed


def _parsed(address: str) -> tuple[str, str, str]:
    """Split an address into server, mount and key."""
    parts = urlsplit(address)
    path = _ADDRESS.fullmatch(parts.path)
    loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if path is None or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise InputError(
            "The key service has no such address.",
            got=f"{parts.scheme}://{parts.hostname or ''}{parts.path}",
            do='write keys = "vault:https://HOST:8200/transit/NAME"',
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise InputError(
            "The key service is asked over https only.",
            got=f"{parts.scheme}://{parts.hostname}",
            do="write https://",
        )
    return f"{parts.scheme}://{parts.netloc}", path["mount"].strip("/"), path["key"]


def _client(ca: str) -> httpx.Client:
    """Return an HTTP client that trusts the given certificates and follows nobody elsewhere."""
    import ssl

    import httpx

    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            "The certificates to trust cannot be read.", got=ca, do="correct [security] ca"
        ) from error
    return httpx.Client(verify=context, timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False)


def _bound(epoch: int) -> bytes:
    return b"heptad kek|%d" % epoch


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
