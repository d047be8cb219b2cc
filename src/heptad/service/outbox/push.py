# SPDX-License-Identifier: Apache-2.0
"""Web push: payloads encrypted for one browser (RFC 8291), senders who say who they are (RFC 8292)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from heptad.service.outbox.carriers import Answer, Parcel, http_answer
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import httpx

    from heptad.sources.work import Provider
    from heptad.standards.time import Clock

TTL_S, LIFE_S = 86_400, 12 * 3600


class WebPush:
    """The push services of browsers; none of them can tell a message sent twice.

    Args:
        provider: its `sender` is a mailto: or https: address of whoever answers for the messages.
        secret: text from which the key that identifies the sender is made.
        client: sends.
        clock: dates the proof.
    """

    deduplicates, at_once = False, 20

    def __init__(self, provider: Provider, secret: str, client: httpx.Client, clock: Clock) -> None:
        self._provider, self._client, self._clock = provider, client, clock
        self._key = sender_key(secret)

    def carry(self, parcels: Sequence[Parcel]) -> Iterator[Answer]:
        """Post messages one by one; see `Carrier`."""
        for parcel in parcels:
            yield self._post(parcel)

    def _post(self, parcel: Parcel) -> Answer:
        import httpx

        try:
            subscription = json.loads(parcel.to)
            body = encrypted(parcel, subscription)
            endpoint = str(subscription["endpoint"])
        except (ValueError, KeyError, TypeError):
            return Answer("gone", "no subscription")
        headers = {
            "Content-Encoding": "aes128gcm",
            "TTL": str(TTL_S),
            "Topic": parcel.id[-32:],
            "Urgency": "normal",
            "Authorization": self._authorisation(endpoint),
        }
        try:
            response = self._client.post(endpoint, content=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Answer("again", type(error).__name__)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Answer("uncertain", type(error).__name__)
        return http_answer(response.status_code, response.headers.get("location", "")[:200])

    def _authorisation(self, endpoint: str) -> str:
        """Return the proof of who sends, for the push service of an endpoint."""
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": self._clock.now() // 1_000_000 + LIFE_S,
            "sub": self._provider.sender,
        }
        head = _text({"typ": "JWT", "alg": "ES256"}) + "." + _text(claims)
        r, s = decode_dss_signature(self._key.sign(head.encode(), ec.ECDSA(hashes.SHA256())))
        proof = unpadded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        return f"vapid t={head}.{proof}, k={public_text(self._key)}"


def encrypted(parcel: Parcel, subscription: dict[str, object]) -> bytes:
    """Encrypt a message for the browser that a subscription is of.

    Raises:
        ValueError: if the subscription's keys are none.
        KeyError: if it has none.
    """
    import http_ece  # type: ignore[import-untyped]

    keys = subscription["keys"]
    if not isinstance(keys, dict):
        raise ValueError("no keys")
    # A push service takes 4,096 bytes: what is longer is read in the application.
    said = {"id": parcel.id, "title": parcel.text.title[:200], "text": parcel.text.text[:600]}
    found: bytes = http_ece.encrypt(
        json.dumps(said).encode(),
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=padded(str(keys["p256dh"])),
        auth_secret=padded(str(keys["auth"])),
        version="aes128gcm",
    )
    return found


def sender_key(secret: str) -> ec.EllipticCurvePrivateKey:
    """Make the sender's key out of a secret text; the same text, the same key.

    Raises:
        InputError: if the secret is too short to be one.
    """
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if len(secret) < 16:
        raise InputError("Web push needs a secret of 16 characters or more.", do="export one")
    drawn = HKDF(hashes.SHA256(), 48, b"heptad", b"vapid").derive(secret.encode())
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return ec.derive_private_key(int.from_bytes(drawn, "big") % (order - 1) + 1, ec.SECP256R1())


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the sender's public key as browsers want it when they subscribe."""
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return unpadded(point)


def unpadded(data: bytes) -> str:
    """Write bytes as base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def padded(text: str) -> bytes:
    """Read base64url with or without padding.

    Raises:
        ValueError: if it is none.
    """
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(plain: dict[str, object]) -> str:
    return unpadded(json.dumps(plain, separators=(",", ":")).encode())
