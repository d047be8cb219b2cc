# SPDX-License-Identifier: Apache-2.0
"""Files fetched over https: whole, unchanged since it began, from where they may come from."""

from __future__ import annotations

import base64
import hashlib
import http.client
import ipaddress
import json
import os
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from heptad.sources.config import revealed
from heptad.sources.files import input_file
from heptad.standards.errors import Busy, InputError, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from urllib.parse import SplitResult

    from heptad.sources.binding import Source
    from heptad.sources.config import Project
    from heptad.sources.reading import InputFile

SCHEME = "https://"
SEEN = ".fetched.json"
"""What was loaded of each URL: its tag, never its content."""
_SPOOL = ".duck"
MOST_BYTES = 16 << 30
MOST_HOPS = 3
TRIES = 4
SILENT_S, LONGEST_S = 30.0, 3600.0
_BLOCK = 1 << 18


class _Broken(Exception):
    """The connection broke, or the server asked us to come again."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server said: status, headers and a body that is still to be read."""

    status: int
    headers: Mapping[str, str]
    body: http.client.HTTPResponse
    connection: http.client.HTTPSConnection


def fetched(source: Source, project: Project) -> tuple[InputFile, ...]:
    """Fetch the file of a source; nothing if the server says that it is what was loaded last.

    Always by TLS with a certificate that is checked. Unless the source says `private = true`, a
    name that leads into a private network, to this machine or to a link-local address is
    refused, and the address that was checked is the one that is asked. At most three redirects
    are followed, each checked in the same way; a password goes to no other host.

    Raises:
        Refused: if the URL leads where a source may not.
        InputError: if the server has no such file, or it is too large.
        Busy: if the server does not answer, or breaks off again and again.
    """
    spool = project.folder / _SPOOL
    spool.mkdir(exist_ok=True)
    url = revealed(source.origin, project.folder)
    name = PurePosixPath(unquote(urlsplit(url).path)).name or "index"
    mark = hashlib.sha256(source.name.encode()).hexdigest()[:12]
    target = spool / f"fetched-{mark}-{os.path.basename(name)[-80:]}"  # noqa: PTH119 - of a URL
    tag = _seen(project.folder).get(_key(source), "")
    fetch = _Fetch(source, project.folder, target, tag)
    try:
        if not fetch.run(url):
            return ()
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    shown = source.origin.partition("?")[0].rpartition("@")[2].removeprefix(SCHEME)
    return (input_file(target, f"{SCHEME}{shown}"),)


def forget(source: Source, files: Sequence[InputFile]) -> None:
    """Remove what was fetched, once it is stored or refused."""
    if source.origin.startswith(SCHEME):
        for file in files:
            file.path.unlink(missing_ok=True)
            _tag_of(file.path).unlink(missing_ok=True)


def landed(source: Source, folder: Path, files: Sequence[InputFile]) -> None:
    """Remember what was loaded, so that it is not fetched again while it stays the same."""
    if not source.origin.startswith(SCHEME):
        return
    for file in files:
        if _tag_of(file.path).is_file():
            seen = _seen(folder) | {_key(source): _tag_of(file.path).read_text(encoding="utf-8")}
            fresh = folder / f"{SEEN}.tmp"
            fresh.write_text(json.dumps(seen), encoding="utf-8")
            fresh.replace(folder / SEEN)


def _tag_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.tag")


def _key(source: Source) -> str:
    return hashlib.sha256(f"{source.name}\0{source.origin}".encode()).hexdigest()[:24]


def _seen(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / SEEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class _Fetch:
    """One file on its way, over as many connections as that takes."""

    def __init__(self, source: Source, folder: Path, target: Path, tag: str) -> None:
        self._source, self._target, self._old = source, target, tag
        self._place = f"source {source.name}"
        ca = str(folder / source.ca) if source.ca else None
        self._context = ssl.create_default_context(cafile=ca)
        self._tag, self._have, self._size = "", 0, -1
        self._until = time.monotonic() + LONGEST_S

    def run(self, url: str) -> bool:
        """Fetch the file; False if it is what was loaded before."""
        self._target.unlink(missing_ok=True)
        for attempt in range(TRIES):
            if attempt:
                time.sleep(min(0.2 * 4**attempt, max(0.0, self._until - time.monotonic())))
            try:
                return self._part(url)
            except _Broken as error:
                said = str(error)
        raise Busy(
            "The file could not be fetched.", got=said, do="try again later", place=self._place
        )

    def _part(self, url: str) -> bool:
        """Fetch what is missing, over one connection and its redirects."""
        start = urlsplit(url)
        for _ in range(MOST_HOPS + 1):
            parts = urlsplit(url)
            answer = self._asked(parts, secret=parts.hostname == start.hostname)
            try:
                if answer.status not in (301, 302, 303, 307, 308):
                    return self._taken(answer)
                url = urljoin(url, answer.headers.get("location", ""))
            finally:
                answer.connection.close()
        raise InputError("The server redirects again and again.", got=url, place=self._place)

    def _asked(self, parts: SplitResult, *, secret: bool) -> _Answer:
        """Ask one server, at an address that was checked."""
        if parts.scheme != "https" or not parts.hostname:
            raise Refused(
                "A source over the network is fetched by https only.",
                got=f"{parts.scheme}://{parts.hostname or ''}",
                do="ask for a URL that begins with https://",
                place=self._place,
            )
        port = parts.port or 443
        address = self._address(parts.hostname, port)
        connection = _Pinned(parts.hostname, port, address, self._context)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("GET", path, headers=self._headers(parts, secret=secret))
            body = connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise Refused(
                "The server's certificate is not to be trusted.",
                got=error.verify_message,
                do="name the certificate of its issuer as ca = in the source",
                place=self._place,
            ) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _Broken(str(error)) from error
        return _Answer(body.status, {k.lower(): v for k, v in body.getheaders()}, body, connection)

    def _address(self, host: str, port: int) -> str:
        """Resolve a name once; what is checked is what is asked.

        Raises:
            Refused: if it leads where a source may not.
        """
        try:
            found = {str(a[4][0]) for a in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        except OSError as error:
            raise _Broken(f"{host}: {error}") from error
        inner = [a for a in sorted(found) if not ipaddress.ip_address(a.split("%")[0]).is_global]
        if inner and not self._source.private:
            raise Refused(
                "The source leads into a private network.",
                got=f"{host} is {inner[0]}",
                do="say private = true in the source if it is meant to",
                place=self._place,
            )
        return min(found)

    def _headers(self, parts: SplitResult, *, secret: bool) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "heptad"}
        if parts.username and secret:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        if self._have:
            headers |= {"Range": f"bytes={self._have}-", "If-Range": self._tag}
        elif self._old:
            headers["If-None-Match"] = self._old
        return headers

    def _taken(self, answer: _Answer) -> bool:
        """Take the body of an answer.

        Raises:
            InputError: if it is no file, or too large.
        """
        if answer.status == 304 and self._old:
            return False
        if answer.status in (408, 429, 500, 502, 503, 504):
            raise _Broken(f"the server answers {answer.status}")
        if answer.status not in (200, 206):
            raise InputError(
                "The server does not give the file.",
                got=f"status {answer.status}",
                do="check the URL and the rights of its user",
                place=self._place,
            )
        if answer.status == 200:
            # Whole: the first answer, or the file has changed since.
            self._have, self._tag = 0, _strong(answer.headers.get("etag", ""))
        elif not answer.headers.get("content-range", "").startswith(f"bytes {self._have}-"):
            raise _Broken("the server gives another part than was asked for")
        length = answer.headers.get("content-length", "")
        self._size = self._have + int(length) if length.isdecimal() else -1
        self._check(max(self._size, self._have))
        self._write(answer)
        return True

    def _write(self, answer: _Answer) -> None:
        with self._target.open("r+b" if self._have else "wb") as file:
            file.truncate(self._have)
            file.seek(self._have)
            try:
                while block := answer.body.read(_BLOCK):
                    file.write(block)
                    self._have += len(block)
                    self._check(self._have)
            except (OSError, http.client.HTTPException) as error:
                self._restart(str(error))
        if 0 <= self._size != self._have:
            self._restart(f"{self._have:,} of {self._size:,} bytes came")
        if self._tag:
            _tag_of(self._target).write_text(self._tag, encoding="utf-8")

    def _restart(self, said: str) -> None:
        """Go on where it broke off, if the server can tell that the file is the same."""
        if not self._tag:
            self._have = 0
        raise _Broken(said)

    def _check(self, size: int) -> None:
        if size > MOST_BYTES:
            raise InputError(
                f"A fetched file has at most {MOST_BYTES:,} bytes.", got=size, place=self._place,
                do="divide it",
            )  # fmt: skip
        if time.monotonic() > self._until:
            raise Busy(
                f"The file was not there within {LONGEST_S:.0f} s.", place=self._place,
                do="try again later",
            )  # fmt: skip


class _Pinned(http.client.HTTPSConnection):
    """A connection to one address under the name that its certificate must have."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=SILENT_S, context=context)
        self._address, self._tls = address, context

    def connect(self) -> None:
        """Connect to the address that was checked."""
        plain = socket.create_connection((self._address, self.port), timeout=SILENT_S)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def _strong(tag: str) -> str:
    """Return a tag that two files share only if every byte of them is the same."""
    return tag if tag.startswith('"') else ""
