# SPDX-License-Identifier: Apache-2.0
"""Sign in with OpenID Connect: authorization code with PKCE, and an identity token that is checked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from heptad.standards.errors import Busy, HeptadError, Unauthorised

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Fetch = Callable[[str, Mapping[str, str] | None], dict[str, Any]]

SKEW_S = 60
"""By how much the provider's clock may differ from ours."""
PENDING_S = 600
"""How long a sign-in may take, from its beginning to the code that is brought back."""
KNOWN_S, TIRED_S = 3600.0, 10.0
"""For how long it is remembered what a provider said of itself, and that it did not answer."""
LONGEST_PATH = 2_000
LONGEST = 1 << 20
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that has been begun and not ended.

    Attributes:
        state: comes back with the code; binds it to the browser that began.
        nonce: stands in the identity token; binds that to this sign-in.
        verifier: proves to the provider that whoever redeems the code began.
        to: path of the page to go to afterwards.
        back: where the provider sends the browser.
        until: after which it is forgotten, monotonic seconds.
    """

    state: str
    nonce: str
    verifier: str
    to: str
    back: str
    until: float


class Provider:
    """An OpenID provider, as its discovery document describes it.

    A sign-in that was begun is kept by the browser, sealed under a key of this process: however
    many are begun, nothing is held for them and none is lost to the others.

    Args:
        issuer: URL by which it names itself.
        client: our id there.
        secret: ours there; "" for a public client, for which PKCE alone stands.
        fetch: reads JSON of a URL, posting a form if one is given.
        now: tells monotonic seconds.
    """

    def __init__(
        self,
        issuer: str,
        client: str,
        secret: str,
        fetch: Fetch | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer, self.client, self._secret = issuer.rstrip("/"), client, secret
        self._fetch, self._now = fetch or fetched, now
        self._lock, self._asking = threading.Lock(), threading.Lock()
        self._about: dict[str, Any] = {}
        self._known = self._failed = -KNOWN_S
        self._keys: dict[str, dict[str, Any]] = {}
        self._sealing = AESGCM(secrets.token_bytes(32))
        self._ended: dict[str, float] = {}

    def begin(self, to: str, back: str) -> tuple[str, str]:
        """Begin a sign-in.

        Returns:
            Where to send the browser, and what its cookie must hold when it comes back.
        """
        about = self._discover()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        made = Begun(state, nonce, verifier, own_path(to), back, self._now() + PENDING_S)
        asked = {
            "response_type": "code", "client_id": self.client, "redirect_uri": back,
            "scope": "openid profile email", "state": made.state, "nonce": made.nonce,
            "code_challenge": challenge(made.verifier), "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{about['authorization_endpoint']}?{urlencode(asked)}", self._sealed(made)

    def end(self, state: str, bound: str, code: str) -> tuple[dict[str, Any], str]:
        """Redeem a code once, for the browser that began.

        Args:
            state: as it came back in the address.
            bound: what the browser's cookie holds.
            code: of the provider.

        Returns:
            The claims of the identity token, and the page to go to.

        Raises:
            Unauthorised: if anything is not as it was begun, or the token is not sound.
            Busy: if the provider does not answer.
        """
        begun = self._opened(bound)
        same = begun is not None and hmac.compare_digest(begun.state.encode(), state.encode())
        if begun is None or not same or not code or not self._once(begun):
            raise _wrong("This sign-in was not begun here, or too long ago.")
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": begun.back,
            "client_id": self.client, "code_verifier": begun.verifier,
        }  # fmt: skip
        if self._secret:
            form["client_secret"] = self._secret
        try:
            answer = self._fetch(self._discover()["token_endpoint"], form)
            return self.claims(str(answer.get("id_token", "")), begun.nonce), begun.to
        except BaseException:
            # Only who was let in is remembered: a flood of wrong codes leaves nothing here.
            self._ended.pop(begun.state, None)
            raise

    def _sealed(self, begun: Begun) -> str:
        nonce = os.urandom(12)
        plain = json.dumps(asdict(begun), ensure_ascii=False).encode()
        sealed = nonce + self._sealing.encrypt(nonce, plain, None)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _opened(self, bound: str) -> Begun | None:
        """Open what a browser's cookie holds; None if it was not sealed here, or is too old."""
        try:
            sealed = _bytes(bound)
            begun = Begun(**json.loads(self._sealing.decrypt(sealed[:12], sealed[12:], None)))
        except (ValueError, InvalidTag):
            return None
        return begun if begun.until > self._now() else None

    def _once(self, begun: Begun) -> bool:
        """Tell whether a sign-in was not ended before, and note that it is now."""
        now = self._now()
        with self._lock:
            self._ended = {state: until for state, until in self._ended.items() if until > now}
            fresh = begun.state not in self._ended
            self._ended.setdefault(begun.state, begun.until)
        return fresh

    def claims(self, token: str, nonce: str) -> dict[str, Any]:
        """Check an identity token (OpenID Connect Core 3.1.3.7) and return what it claims.

        Raises:
            Unauthorised: if it is not signed by this provider, for us, now, for this sign-in.
        """
        try:
            head, body, signature = token.split(".")
            header, found = json.loads(_bytes(head)), json.loads(_bytes(body))
            self._verify(header, f"{head}.{body}".encode(), _bytes(signature))
            audience = found["aud"] if isinstance(found["aud"], list) else [found["aud"]]
            now = time.time()
            sound = (
                found["iss"].rstrip("/") == self.issuer
                and self.client in audience
                and (len(audience) == 1 or found.get("azp") == self.client)
                and float(found["exp"]) > now - SKEW_S
                and float(found["iat"]) < now + SKEW_S
                and hmac.compare_digest(str(found["nonce"]), nonce)
                and bool(found["sub"])
            )
        except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature) as error:
            raise _wrong("The identity token is not sound.") from error
        if not sound:
            raise _wrong("The identity token is for somebody else, or for another time.")
        return dict(found)

    def _verify(self, header: dict[str, Any], signed: bytes, signature: bytes) -> None:
        """Check a signature by the key that the provider publishes; only RS256 and ES256."""
        key = self._key(str(header.get("kid", "")))
        kind = (header["alg"], key["kty"])
        if kind == ("RS256", "RSA"):
            number = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"]))
            number.public_key().verify(signature, signed, padding.PKCS1v15(), SHA256())
        elif kind == ("ES256", "EC") and len(signature) == 64:
            point = ec.EllipticCurvePublicNumbers(
                _number(key["x"]), _number(key["y"]), ec.SECP256R1()
            )
            halves = (int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
            der = utils.encode_dss_signature(*halves)
            point.public_key().verify(der, signed, ec.ECDSA(SHA256()))
        else:
            raise ValueError(kind)

    def _key(self, kid: str) -> dict[str, Any]:
        """Find a key of the provider, reading them again if it has a new one."""
        if kid not in self._keys:
            listed = self._fetch(self._discover()["jwks_uri"], None)["keys"]
            signing = [k for k in listed if k.get("use", "sig") == "sig"]
            self._keys = {str(key.get("kid", "")): key for key in signing}
        return self._keys[kid]

    def _discover(self) -> dict[str, Any]:
        """Read now and then where the provider answers what; it must be the one that we meant.

        Raises:
            Busy: if it does not answer, or did not a moment ago: not each caller waits for it.
        """
        with self._asking:
            now = self._now()
            if self._about and now - self._known < KNOWN_S:
                return self._about
            if now - self._failed < TIRED_S:
                raise Busy("The provider of identities does not answer.", got=self.issuer)
            try:
                found = self._fetch(f"{self.issuer}/.well-known/openid-configuration", None)
                if str(found.get("issuer", "")).rstrip("/") != self.issuer:
                    raise _wrong("The provider calls itself by another name.")
            except HeptadError:
                self._failed = self._now()
                raise
            self._about, self._known = found, now
            return found


def challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636).

    >>> challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def own_path(to: str) -> str:
    """Return a path of this server, so that nobody is sent elsewhere after signing in.

    >>> own_path("/inbox?mine=yes"), own_path("//evil.example"), own_path("https://evil.example")
    ('/inbox?mine=yes', '/', '/')
    >>> own_path("//["), own_path("/[")
    ('/', '/[')
    """
    own = to.startswith("/") and not to.startswith("//") and "\\" not in to and to.isprintable()
    return to if own and len(to.encode()) <= LONGEST_PATH else "/"


def fetched(url: str, form: Mapping[str, str] | None) -> dict[str, Any]:
    """Read JSON of a URL.

    Raises:
        Busy: if nobody answers.
        Unauthorised: if what is answered is a refusal, or no object.
    """
    import httpx

    try:
        with httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False) as client:
            answer = client.get(url) if form is None else client.post(url, data=dict(form))
    except httpx.HTTPError as error:
        raise Busy("The provider of identities does not answer.", got=url) from error
    if answer.status_code != 200 or len(answer.content) > LONGEST:
        raise _wrong("The provider of identities refused.")
    try:
        found = answer.json()
    except ValueError as error:
        raise _wrong("The provider of identities answered no JSON.") from error
    if not isinstance(found, dict):
        raise _wrong("The provider of identities answered no object.")
    return found


def _wrong(what: str) -> Unauthorised:
    return Unauthorised(what, do="sign in again")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text))
