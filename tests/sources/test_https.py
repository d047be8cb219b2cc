# SPDX-License-Identifier: Apache-2.0
"""A file comes over https whole and unchanged, from where it may come from, or not at all."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heptad.runtime import Platform
from heptad.sources import https
from heptad.sources.binding import Source
from heptad.sources.config import Project
from heptad.standards.errors import Busy, InputError, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROW = "p{n},2026-05-01T10:00:00Z,c1,m1,10.00,EUR,authorised\n"
HEAD = "id,event_time,customer,merchant,amount,currency,status\n"


@dataclass
class Site:
    """A server of files, and what it does next."""

    port: int = 0
    body: bytes = b""
    tag: str = '"one"'
    breaks: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    to: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)

    def url(self, path: str = "a.csv") -> str:
        return f"https://localhost:{self.port}/{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers as the site says."""

    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        told = {k.lower(): v for k, v in self.headers.items()}
        site.asked.append(told)
        if site.to and self.path == "/a.csv":
            self._head(302, {"Location": site.to})
            return
        if site.statuses:
            self._head(site.statuses.pop(0), {"Content-Length": "0"})
            return
        if site.tag and told.get("if-none-match") == site.tag:
            self._head(304, {})
            return
        start = 0
        if "range" in told and told.get("if-range") == site.tag:
            start = int(told["range"].removeprefix("bytes=").rstrip("-"))
        part = site.body[start:]
        more = {"Content-Length": str(len(part))} | ({"ETag": site.tag} if site.tag else {})
        if start:
            more["Content-Range"] = f"bytes {start}-{len(site.body) - 1}/{len(site.body)}"
        self._head(206 if start else 200, more)
        if site.breaks:
            self.wfile.write(part[: site.breaks.pop(0)])
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(part)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                          serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )  # fmt: skip
    return path


@pytest.fixture
def site(certificate: Path) -> Iterator[Site]:
    """A server that is listening."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    found = server.site = Site(server.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(site: Site, tmp_path: Path, certificate: Path, monkeypatch: Any) -> Any:
    """Fetch from the site, impatiently."""
    monkeypatch.setattr(https.time, "sleep", lambda _: None)

    def made(url: str = "", **more: Any) -> bytes | None:
        told = {"ca": str(certificate), "private": True} | more
        source = Source("s", "Payment", url or site.url(), **told)
        files = https.fetched(source, Project(tmp_path, "p"))
        if not files:
            return None
        data = files[0].path.read_bytes()
        https.landed(source, tmp_path, files)
        https.forget(source, files)
        return data

    return made


def test_a_file_is_fetched_once_while_it_stays_the_same(site, fetch, tmp_path: Path) -> None:
    site.body = b"abc"
    assert fetch() == b"abc"
    assert fetch() is None
    assert site.asked[-1]["if-none-match"] == '"one"'
    site.body, site.tag = b"abcd", '"two"'
    assert fetch() == b"abcd"
    assert [p.name for p in (tmp_path / ".duck").iterdir()] == []


def test_a_connection_that_breaks_is_taken_up_where_it_broke(site, fetch) -> None:
    site.body, site.breaks = bytes(range(256)) * 2000, [100_000, 150_000]
    assert fetch() == site.body
    starts = [asked.get("range") for asked in site.asked]
    assert starts[0] is None
    assert all(start is not None for start in starts[1:])
    assert len(starts) == 3


def test_a_file_that_changed_or_has_no_tag_is_fetched_anew(site, fetch) -> None:
    site.body, site.breaks, site.tag = b"x" * 300_000, [200_000], ""
    assert fetch() == site.body
    assert all("range" not in asked for asked in site.asked)
    site.tag, site.breaks = '"a"', [200_000]
    real = Handler.do_GET

    def changing(self: Handler) -> None:
        real(self)
        site.tag, site.body = '"b"', b"y" * 250_000

    Handler.do_GET = changing  # type: ignore[method-assign]
    try:
        assert fetch() == b"y" * 250_000
    finally:
        Handler.do_GET = real  # type: ignore[method-assign]


def test_a_busy_server_is_asked_again_and_given_up(site, fetch) -> None:
    site.body, site.statuses = b"abc", [503, 429]
    assert fetch() == b"abc"
    site.tag, site.statuses = '"new"', [503] * 10
    with pytest.raises(Busy, match="could not be fetched"):
        fetch()
    site.statuses = [404]
    with pytest.raises(InputError, match="does not give the file"):
        fetch()


def test_what_is_too_large_is_refused(site, fetch, monkeypatch: Any, tmp_path: Path) -> None:
    site.body = b"x" * 5000
    monkeypatch.setattr(https, "MOST_BYTES", 4999)
    with pytest.raises(InputError, match="at most 4,999 bytes"):
        fetch()
    assert list((tmp_path / ".duck").iterdir()) == []


def test_a_certificate_must_be_trusted_and_be_of_the_name(site, fetch) -> None:
    with pytest.raises(Refused, match="not to be trusted"):
        fetch(ca="")


def test_private_networks_are_not_asked_unless_it_is_said(site, fetch) -> None:
    for host in ("localhost", "127.0.0.1", "[::1]", "10.1.2.3", "169.254.169.254", "0.0.0.0"):
        with pytest.raises(Refused, match="private network"):
            fetch(f"https://{host}:{site.port}/a.csv", private=False)
    assert site.asked == []


def test_redirects_are_checked_like_the_first_url(site, fetch) -> None:
    site.body = b"abc"
    site.to = site.url("b.csv")
    assert fetch() == b"abc"
    site.to = f"http://localhost:{site.port}/b.csv"
    with pytest.raises(Refused, match="by https only"):
        fetch()
    site.to = "file:///etc/passwd"
    with pytest.raises(Refused, match="by https only"):
        fetch()
    site.to = site.url()
    with pytest.raises(InputError, match="again and again"):
        fetch()


def test_a_password_goes_to_its_own_host_only(site, fetch, monkeypatch: Any) -> None:
    monkeypatch.setenv("PW", "s3cret")
    site.body = b"abc"
    site.to = f"https://127.0.0.1:{site.port}/b.csv"
    assert fetch(f"https://bank:${{env:PW}}@localhost:{site.port}/a.csv") == b"abc"
    assert "authorization" in site.asked[0]
    assert "authorization" not in site.asked[1]


def test_a_source_over_https_is_loaded_once(site, tmp_path: Path, certificate: Path) -> None:
    site.body = (HEAD + ROW.format(n=1) + ROW.format(n=2)).encode()
    (tmp_path / "heptad.toml").write_text(
        f'[project]\nname = "h"\n[[source]]\ntable = "Payment"\nfrom = "{site.url()}"\n'
        f'ca = "{certificate}"\nprivate = true\n',
        encoding="utf-8",
    )
    with Platform.open(tmp_path) as platform:
        (first,) = platform.load()
        assert (first.accepted, first.files) == (2, (f"https://localhost:{site.port}/a.csv",))
        (again,) = platform.load()
        assert (again.read, again.skipped) == (0, (site.url(),))
        site.tag = '"same bytes"'
        assert platform.load()[0].skipped == (f"https://localhost:{site.port}/a.csv",)
        assert site.asked[-1]["if-none-match"] == '"one"'
        site.body += ROW.format(n=3).encode()
        site.tag = '"more"'
        (more,) = platform.load()
        assert (more.accepted, more.duplicates) == (1, 2)
        assert not [p for p in (tmp_path / ".duck").iterdir() if "fetched" in p.name]
        assert platform.erasing.uncovered() == []
