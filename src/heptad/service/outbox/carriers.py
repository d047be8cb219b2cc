# SPDX-License-Identifier: Apache-2.0
"""Who carries messages: mail servers, SMS and webhooks over HTTP; what each answer means."""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from heptad.catalog.inserts import upsert
from heptad.catalog.outboxtables import NoticeRow
from heptad.service.letters import seal_text
from heptad.standards.errors import InputError
from heptad.standards.time import from_micros

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import httpx

    from heptad.catalog.store import Store
    from heptad.security.keys import KeyStore
    from heptad.service.letters import Text
    from heptad.sources.work import Provider

Status = Literal["sent", "again", "never", "uncertain", "gone"]
TIMEOUT_S = 20.0
SIGNATURE = "Heptad-Signature"


@dataclass(frozen=True)
class Parcel:
    """One message, ready to go.

    Attributes:
        id: of the message: the same at each attempt.
        to: the address, telephone number, token or subscription.
        text: what it says.
        created: when it was planned, µs: its date at each attempt.
        unsubscribe: link that ends such messages; "" where nobody may end them.
        subject: the person, for the institution's own application.
    """

    id: str
    to: str
    text: Text
    created: int
    unsubscribe: str = ""
    subject: str = ""


class Answer(NamedTuple):
    """What became of an attempt.

    Attributes:
        status: sent; again (it was surely not taken); never (it will not be taken); uncertain
            (nobody can say); gone (the address is no more).
        note: what was said, without anything personal.
        reference: the provider's own id.
    """

    status: Status
    note: str = ""
    reference: str = ""


class Carrier(Protocol):
    """Carries the messages of one provider."""

    @property
    def deduplicates(self) -> bool:
        """Whether the same id twice reaches a person once."""
        ...

    @property
    def at_once(self) -> int:
        """How many are handed over between two notes of what became of them."""
        ...

    def carry(self, parcels: Sequence[Parcel]) -> Iterator[Answer]:
        """Hand messages over, in order; answers in the same order."""
        ...


class Smtp:
    """A mail server.

    It cannot tell a message sent twice, so an attempt that broke off while the text was on its way
    is uncertain, and never repeated by itself.

    Args:
        provider: where it is.
        secret: the password of its user.
    """

    deduplicates, at_once = False, 10

    def __init__(self, provider: Provider, secret: str = "") -> None:
        parts = urlsplit(provider.url)
        if (
            parts.scheme not in ("smtp", "smtps")
            or not parts.hostname
            or "@" not in provider.sender
        ):
            raise InputError(
                f"The provider {provider.name} is no mail server, or has no sender.",
                got=provider.url,
                do='write url = "smtp://host:587" and sender = "name@host"',
            )
        self._host, self._closed = parts.hostname, parts.scheme == "smtps"
        self._port = parts.port or (465 if self._closed else 587)
        self._provider, self._secret = provider, secret
        self._domain = provider.sender.rpartition("@")[2].rstrip(">")

    def carry(self, parcels: Sequence[Parcel]) -> Iterator[Answer]:
        """Hand messages to the server over one connection; see `Carrier`."""
        server: smtplib.SMTP | None = None
        try:
            for parcel in parcels:
                try:
                    server = server or self._connected()
                except (OSError, smtplib.SMTPException) as error:
                    yield Answer("again", f"no connection: {_said(error)}")
                    continue
                answer, alive = self._hand_over(server, parcel)
                yield answer
                if not alive:
                    server = None
        finally:
            if server is not None:
                with suppress(OSError, smtplib.SMTPException):
                    server.quit()

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._closed:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=TIMEOUT_S, context=context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        try:
            if self._provider.tls and not self._closed:
                server.starttls(context=context)
            server.ehlo_or_helo_if_needed()
            if self._provider.user:
                server.login(self._provider.user, self._secret)
        except BaseException:
            server.close()
            raise
        return server

    def _hand_over(self, server: smtplib.SMTP, parcel: Parcel) -> tuple[Answer, bool]:
        """Hand over one message; say whether the connection can be used again."""
        try:
            data = self.message(parcel).as_bytes()
            for code, said in (server.mail(self._provider.sender), server.rcpt(parcel.to)):
                if code >= 400:
                    server.rset()
                    return _refused(code, said), True
        except ValueError as error:
            return Answer("never", f"no address: {type(error).__name__}"), True
        except (OSError, smtplib.SMTPException) as error:
            return Answer("again", _said(error)), False
        try:
            code, said = server.data(data)
        except smtplib.SMTPDataError as error:
            return _refused(error.smtp_code, error.smtp_error), False
        except (OSError, smtplib.SMTPException) as error:
            return Answer("uncertain", f"broke off: {_said(error)}"), False
        return (Answer("sent", reference=f"{code}") if code == 250 else _refused(code, said)), True

    def message(self, parcel: Parcel) -> EmailMessage:
        """Write the message; the same bytes at each attempt.

        Raises:
            ValueError: if the address or title would break a header.
        """
        found = EmailMessage()
        found["From"], found["To"] = self._provider.sender, parcel.to
        found["Subject"] = parcel.text.title
        found["Message-ID"] = f"<{parcel.id}@{self._domain}>"
        found["Date"] = format_datetime(from_micros(parcel.created))
        found["Auto-Submitted"] = "auto-generated"
        if parcel.unsubscribe:
            found["List-Unsubscribe"] = f"<{parcel.unsubscribe}>"
            found["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        found.set_content(parcel.text.text)
        return found


def _refused(code: int, said: bytes | str) -> Answer:
    """Say what a refusal of a mail server means: 4xx is for now, 5xx for good."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    enhanced = text.split(" ", 1)[0]
    if code in (550, 551, 553) and not enhanced.startswith("5.7"):
        return Answer("gone", f"{code}")
    return Answer("never" if code >= 500 else "again", f"{code}")


def _said(error: Exception) -> str:
    code = getattr(error, "smtp_code", "")
    return f"{type(error).__name__} {code}".strip()


class Http:
    """A provider that takes messages by HTTP with an idempotency key: SMS, app push, webhooks.

    Args:
        provider: where it is.
        secret: signs what is posted.
        client: sends it.
    """

    deduplicates, at_once = True, 200

    def __init__(self, provider: Provider, secret: str, client: httpx.Client) -> None:
        self._provider, self._secret, self._client = provider, secret, client

    def carry(self, parcels: Sequence[Parcel]) -> Iterator[Answer]:
        """Post messages one by one; see `Carrier`."""
        for parcel in parcels:
            yield self._post(parcel)

    def _post(self, parcel: Parcel) -> Answer:
        import httpx

        body = json.dumps(self._body(parcel), sort_keys=True).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": parcel.id,
            SIGNATURE: signature(self._secret, body, parcel.created // 1_000_000),
        }
        try:
            response = self._client.post(self._provider.url, content=body, headers=headers)
        except httpx.HTTPError as error:
            # The key lets it be asked again: a provider that took it answers the same.
            return Answer("again", type(error).__name__)
        return http_answer(response.status_code, _reference(response))

    def _body(self, parcel: Parcel) -> dict[str, Any]:
        if self._provider.body:
            return filled(self._provider.body, parcel, self._provider.sender)
        return {"id": parcel.id, "channel": self._provider.channel, "to": parcel.to,
                "title": parcel.text.title, "text": parcel.text.text}  # fmt: skip


class Inbox:
    """The inbox that people see in the institution's own application: a table of the catalog.

    Args:
        store: the catalog's database.
        keys: seal what is said.
    """

    deduplicates, at_once = True, 500

    def __init__(self, store: Store, keys: KeyStore) -> None:
        self._store, self._keys = store, keys

    def carry(self, parcels: Sequence[Parcel]) -> Iterator[Answer]:
        """Put messages into inboxes, each once; see `Carrier`."""
        keys = self._keys.of([p.subject for p in parcels], create=False)
        now = self._store.clock.now()
        rows = [
            {
                "message": p.id,
                "subject": p.subject,
                "sealed": seal_text(p.text, key, p.id, p.subject),
                "at": now,
            }
            for p, key in zip(parcels, keys, strict=True)
            if key is not None
        ]
        with self._store.write() as connection:
            upsert(connection, NoticeRow, rows, key=("message",))
        for key in keys:
            yield Answer("sent") if key is not None else Answer("never", "erased")


def filled(body: Mapping[str, Any], parcel: Parcel, sender: str) -> dict[str, Any]:
    """Fill the holes {to}, {text}, {title}, {id} and {sender} of a body, as whole values or within."""
    holes = {"{to}": parcel.to, "{text}": parcel.text.text, "{title}": parcel.text.title,
             "{id}": parcel.id, "{sender}": sender}  # fmt: skip

    def one(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: one(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [one(inner) for inner in value]
        return holes.get(value, value) if isinstance(value, str) else value

    return {name: one(value) for name, value in body.items()}


def carriers(
    providers: Sequence[Provider], secrets: Mapping[str, str], store: Store, keys: KeyStore
) -> dict[str, Carrier]:
    """Return who carries for each provider; an `inbox` is always there.

    Args:
        providers: as the project file has them.
        secrets: provider → its secret.
        store: the catalog's database.
        keys: seal what is said in inboxes.

    Raises:
        InputError: if a provider cannot be what it says.
    """
    import httpx

    from heptad.service.outbox.push import WebPush

    client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)
    found: dict[str, Carrier] = {}
    for provider in providers:
        secret = secrets.get(provider.name, "")
        if provider.kind == "smtp":
            found[provider.name] = Smtp(provider, secret)
        elif provider.kind == "webpush":
            found[provider.name] = WebPush(provider, secret, client, store.clock)
        elif provider.kind == "inbox":
            found[provider.name] = Inbox(store, keys)
        else:
            found[provider.name] = Http(provider, secret, client)
    return found


def http_answer(status: int, reference: str = "") -> Answer:
    """Say what an HTTP status means."""
    if status in (200, 201, 202, 204, 409):
        return Answer("sent", f"{status}" if status == 409 else "", reference)
    if status in (404, 410):
        return Answer("gone", f"{status}")
    if status in (408, 425, 429) or status >= 500:
        return Answer("again", f"{status}")
    return Answer("never", f"{status}")


def _reference(response: httpx.Response) -> str:
    with suppress(ValueError, AttributeError):
        return str(response.json().get("id", ""))[:200]
    return ""


def signature(secret: str, body: bytes, at_s: int) -> str:
    """Sign a body, as `t=SECONDS,v1=HEX`: HMAC-SHA-256 over `SECONDS.body`."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def is_signed(secret: str, body: bytes, header: str, now_s: int, patience_s: int = 300) -> bool:
    """Whether a body was signed with a secret, not longer ago than `patience_s`."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    if not secret or not parts.get("t", "").isdecimal() or len(parts["t"]) > 12:
        return False
    at = int(parts["t"])
    wanted = signature(secret, body, at)
    fresh = abs(now_s - at) <= patience_s
    return hmac.compare_digest(wanted, f"t={at},v1={parts.get('v1', '')}") and fresh
