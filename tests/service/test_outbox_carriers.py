# SPDX-License-Identifier: Apache-2.0
"""Messages on real wires: a mail server, an HTTP receiver and a push service, all on this machine."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import threading
from base64 import urlsafe_b64decode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import http_ece
import httpx
import pytest
from aiosmtpd.controller import Controller
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from heptad.service.letters import Text
from heptad.service.outbox.carriers import Http, Parcel, Smtp, carriers, is_signed
from heptad.service.outbox.push import WebPush, padded, public_text, sender_key, unpadded
from heptad.sources.work import Provider
from heptad.standards.errors import InputError
from heptad.standards.time import FixedClock, parse_instant, second

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = parse_instant("2026-03-02T12:00:00Z")
SECRET = "a secret of the tests"


def parcel(n: int = 1, **more: Any) -> Parcel:
    """A message to be carried."""
    plain = {"id": f"m{n}", "to": f"ana{n}@example.com", "text": Text("Überweisung", "Zeile 1\nZeile 2"),
             "created": NOON, "unsubscribe": f"https://bank.example/v1/unsubscribe/m{n}.1"}  # fmt: skip
    return Parcel(**(plain | more))


class Box:
    """A mail box: what a server was given, and whom it refuses."""

    def __init__(self) -> None:
        self.got: list[email.message.EmailMessage] = []

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        refused = {"nobody": "550 5.1.1 no such person", "later": "451 4.3.0 later",
                   "policy": "550 5.7.1 not from you"}  # fmt: skip
        if (said := refused.get(address.partition("@")[0])) is not None:
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        self.got.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken as 17"


@contextmanager
def mail_server(box: Box) -> Iterator[Provider]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield Provider("mail", "email", "smtp", url=f"smtp://127.0.0.1:{port}",
                       sender="bank@bank.example", tls=False)  # fmt: skip
    finally:
        controller.stop()


def test_a_mail_has_a_stable_id_a_date_and_a_way_out_by_one_click() -> None:
    box = Box()
    with mail_server(box) as provider:
        for _ in range(2):
            assert [a.status for a in Smtp(provider).carry([parcel()])] == ["sent"]
    first, second_ = box.got
    assert first["Message-ID"] == second_["Message-ID"] == "<m1@bank.example>"
    assert first.as_bytes().partition(b"\n")[2] == second_.as_bytes().partition(b"\n")[2]
    assert first["List-Unsubscribe"] == "<https://bank.example/v1/unsubscribe/m1.1>"
    assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert first["Subject"] == "Überweisung"
    assert first.get_content().strip().splitlines() == ["Zeile 1", "Zeile 2"]
    assert first["Date"].datetime.isoformat() == "2026-03-02T12:00:00+00:00"


def test_what_a_mail_server_refuses_is_told_apart_and_the_others_go() -> None:
    box = Box()
    people = ["ana1", "nobody", "later", "policy", "ana2"]
    parcels = [parcel(n, to=f"{who}@example.com") for n, who in enumerate(people)]
    parcels.append(parcel(9, to="ana@example.com\r\nBcc: all@example.com"))
    with mail_server(box) as provider:
        answers = [a.status for a in Smtp(provider).carry(parcels)]
    assert answers == ["sent", "gone", "again", "never", "sent", "never"]
    assert [m["To"] for m in box.got] == ["ana1@example.com", "ana2@example.com"]


@contextmanager
def cut_short(after: bytes) -> Iterator[Provider]:
    """A mail server that goes away when it has read some bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                talk(client)

    def talk(client: socket.socket) -> None:
        client.sendall(b"220 here\r\n")
        seen = b""
        while data := client.recv(65_536):
            seen += data
            if after in seen:
                return
            answer = b"354 go on\r\n" if data.upper().startswith(b"DATA") else b"250 OK\r\n"
            client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        port = listener.getsockname()[1]
        yield Provider("mail", "email", "smtp", url=f"smtp://127.0.0.1:{port}",
                       sender="bank@bank.example", tls=False)  # fmt: skip
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.mark.parametrize(
    ("after", "status"),
    [(b"ehlo", "again"), (b"mail FROM", "again"), (b"rcpt TO", "again"),
     (b"\r\n.\r\n", "uncertain")],
)  # fmt: skip
def test_a_line_that_breaks_is_uncertain_only_when_the_text_was_on_its_way(after, status) -> None:
    with cut_short(after) as provider:
        assert [a.status for a in Smtp(provider).carry([parcel()])] == [status]


def test_nobody_there_is_tried_again() -> None:
    provider = Provider("mail", "email", "smtp", url="smtp://127.0.0.1:1", sender="b@b.example")
    assert [a.status for a in Smtp(provider).carry([parcel(1), parcel(2)])] == ["again"] * 2


def test_a_mail_server_without_tls_is_given_nothing() -> None:
    box = Box()
    with mail_server(box) as provider:
        closed = Provider("mail", "email", "smtp", url=provider.url, sender=provider.sender)
        assert [a.status for a in Smtp(closed).carry([parcel()])] == ["again"]
    assert box.got == []


class Hook:
    """An HTTP receiver: what it was posted, and what it answers next."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.known: set[str] = set()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        status = self.answers.pop(0) if self.answers else 201
        if status < 300:
            key = headers.get("idempotency-key", "")
            if key in self.known:
                return 409
            self.known.add(key)
            self.got.append((headers, body))
        return status


@pytest.fixture
def hook() -> Iterator[tuple[Hook, str]]:
    taken = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = taken.take({k.lower(): v for k, v in self.headers.items()}, body)
            said = b'{"id": "sms-17"}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield taken, f"http://127.0.0.1:{server.server_address[1]}/in"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_signed_and_taken_once(hook) -> None:
    taken, url = hook
    with httpx.Client() as client:
        carrier = Http(Provider("push", "push", "webhook", url=url), SECRET, client)
        answers = [next(carrier.carry([parcel(to="token-1")])) for _ in range(2)]
    assert [(a.status, a.note) for a in answers] == [("sent", ""), ("sent", "409")]
    assert answers[0].reference == "sms-17"
    ((headers, body),) = taken.got
    assert is_signed(SECRET, body, headers["heptad-signature"], NOON // second + 10)
    assert headers["idempotency-key"] == "m1"
    assert json.loads(body) == {"id": "m1", "channel": "push", "to": "token-1",
                                "title": "Überweisung", "text": "Zeile 1\nZeile 2"}  # fmt: skip


def test_an_sms_is_posted_in_the_providers_own_form(hook) -> None:
    taken, url = hook
    provider = Provider("sms", "sms", "sms", url=url, sender="Bank",
                        body={"from": "{sender}", "to": ["{to}"], "body": "{text}", "n": 1})  # fmt: skip
    with httpx.Client() as client:
        carrier = Http(provider, SECRET, client)
        taken.answers = [500, 429, 400, 410, 201]
        found = [next(carrier.carry([parcel(n, to="+34600000001")])).status for n in range(5)]
    assert found == ["again", "again", "never", "gone", "sent"]
    assert json.loads(taken.got[0][1]) == {
        "from": "Bank", "to": ["+34600000001"], "body": "Zeile 1\nZeile 2", "n": 1
    }  # fmt: skip


def test_a_push_is_opened_by_its_browser_alone_and_says_who_sends(hook) -> None:
    taken, url = hook
    browser, auth = ec.generate_private_key(ec.SECP256R1()), bytes(range(16))
    point = browser.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    subscription = {"endpoint": url, "keys": {"p256dh": unpadded(point), "auth": unpadded(auth)}}
    provider = Provider("web", "webpush", "webpush", sender="mailto:push@bank.example")
    with httpx.Client() as client:
        carrier = WebPush(provider, SECRET, client, FixedClock(NOON))
        (answer,) = carrier.carry([parcel(to=json.dumps(subscription))])
        (broken,) = carrier.carry([parcel(to="{}")])
    assert (answer.status, broken.status) == ("sent", "gone")
    ((headers, body),) = taken.got
    plain = http_ece.decrypt(body, private_key=browser, auth_secret=auth, version="aes128gcm")
    assert json.loads(plain)["text"] == "Zeile 1\nZeile 2"
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(Exception, match=r".*"):
        http_ece.decrypt(body, private_key=other, auth_secret=auth, version="aes128gcm")
    assert (headers["content-encoding"], headers["topic"]) == ("aes128gcm", "m1")
    token, key = (part[2:] for part in headers["authorization"].removeprefix("vapid ").split(", "))
    assert key == public_text(sender_key(SECRET))
    head, claims, proof = token.split(".")
    said = json.loads(urlsafe_b64decode(claims + "=="))
    assert said["sub"] == "mailto:push@bank.example"
    assert said["aud"] == url.removesuffix("/in")
    assert 0 < said["exp"] - NOON // second <= 24 * 3600
    raw = padded(proof)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), padded(key))
    public.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))


def test_the_encryption_of_the_standards_own_example() -> None:
    """RFC 8291, section 5: the message that the specification prints is opened."""
    private = int.from_bytes(padded("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    browser = ec.derive_private_key(private, ec.SECP256R1())
    body = padded(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg"
        "Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    plain = http_ece.decrypt(
        body, private_key=browser, auth_secret=padded("BTBZMqHH6r4Tts7J_aSIgg"), version="aes128gcm"
    )
    assert plain == b"When I grow up, I want to be a watermelon"


def test_a_provider_that_cannot_be_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="no mail server"):
        carriers([Provider("m", "email", "smtp", url="http://h", sender="a@b.c")], {}, None, None)
    with pytest.raises(InputError, match="16 characters"):
        sender_key("short")
