# SPDX-License-Identifier: Apache-2.0
"""A server under mixed requests for a while: its memory, open files and threads stay as they were.

    python -m tests.terminal.leaking SECONDS

The server runs as `heptad serve` runs it, in a process of its own. Readings are taken once a
twelfth of the time; the first half is warming up, in which pools of threads fill. It tells them as JSON.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx

from tests.terminal.rows import customer, payment

READINGS = 12
CONFIG = '[project]\nname = "leaks"\n\n[serve]\nport = {}\n'


def reading(pid: int) -> dict[str, float]:
    """What a process holds now: resident MiB, open files, threads."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return {
        "mib": round(int(status["VmRSS"].split()[0]) / 1024, 1),
        "files": len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208 - links to what is no path
        "threads": int(status["Threads"]),
    }


def asked(client: httpx.Client, n: int, step: int) -> httpx.Response:
    """Send one of several kinds of request: reads, decisions, repeats, and what is refused."""
    row = payment(n % 600) | {"id": f"p{n % 200}"}
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/health", {}),
        ("GET", "/v1/tables", {}),
        ("GET", "/v1/tables/Customer/rows?limit=10", {}),
        ("GET", "/v1/decisions?app=fraud", {"headers": {"Heptad-Purpose": "fraud"}}),
        ("GET", "/v1/features/nothing", {}),
        ("POST", "/v1/apps/fraud/decide", {"json": {"key": "nobody"}}),
        ("POST", "/v1/tables/Customer/rows", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        ("POST", "/v1/apps/fraud/decide", {"json": {"row": row}, "headers": {"Idempotency-Key": f"a{n % 200}"}}),
        ("GET", "/metrics", {}),
    ]  # fmt: skip
    method, path, more = kinds[step % len(kinds)]
    return client.request(method, path, **more)


def run(seconds: float) -> dict[str, Any]:
    """Ask for so long; return the readings and what became of the requests."""
    with tempfile.TemporaryDirectory(prefix="heptad-") as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        Path(folder, "heptad.toml").write_text(CONFIG.format(port))
        command = [sys.executable, "-c", "from heptad.terminal.cli import main; main()"]
        server = subprocess.Popen([*command, "-p", folder, "serve"], stderr=subprocess.DEVNULL)
        try:
            return _asked(server, port, seconds)
        finally:
            server.terminate()
            server.wait(60)


def _asked(server: subprocess.Popen[bytes], port: int, seconds: float) -> dict[str, Any]:
    became, readings, n = Counter[str](), list[dict[str, float]](), 0
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        _wait(client, server)
        client.post("/v1/tables/Customer/rows", json=[customer(n) for n in range(4)])
        begun = time.monotonic()
        for step in cycle(range(9)):
            answer = asked(client, n // 9, step)
            became[f"{answer.request.method} {answer.url.path} {answer.status_code}"] += 1
            n += 1
            if n % 50 == 0:  # somebody who leaves in the middle
                with socket.create_connection(("127.0.0.1", port)) as gone:
                    gone.sendall(b"POST /v1/apps/fraud/decide HTTP/1.1\r\nHost: a\r\n")
            if time.monotonic() - begun > (len(readings) + 1) * seconds / READINGS:
                readings.append(reading(server.pid) | {"requests": n})
                if len(readings) == READINGS:
                    break
    return {"readings": readings, "became": dict(became)}


def _wait(client: httpx.Client, server: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        assert server.poll() is None, "the server did not start"
        try:
            client.get("/health")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server does not answer")


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1])), indent=1))
