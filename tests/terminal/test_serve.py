# SPDX-License-Identifier: Apache-2.0
"""`heptad serve` begins and ends cleanly, alone, and for this machine only without keys."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from heptad.engine.local.owner import Owner, socket_path
from heptad.runtime import Platform
from heptad.standards.errors import Busy, InputError, Refused
from heptad.terminal import serve
from tests.terminal.conftest import heptad, run_server, wait_for_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.terminal.conftest import Served

CARD = {"id": "p1", "event_time": "2026-03-01T10:00:00Z", "customer": "c1", "amount": "10.00",
        "currency": "EUR", "status": "authorised"}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project."""
    (tmp_path / "heptad.toml").write_text('[project]\nname = "small"\n', encoding="utf-8")
    return tmp_path


def refused(project: Path, *options: str) -> tuple[int, str]:
    """Start a server that cannot start; return its exit code and what it said."""
    said = heptad("serve", *options, project=project)
    return said.code, said.err


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_told_to_stop_it_keeps_what_it_acknowledged_and_leaves_nothing(
    project: Path, serving: Callable[[Path], Served], number: int
) -> None:
    server = serving(project)
    with httpx.Client(base_url=server.url) as client:
        made = client.post("/v1/apps/fraud/decide", json={"row": CARD}).json()
    assert server.stop(number) == 0
    assert not socket_path(project).exists()
    assert Owner(project).holder() is None
    assert server.process.stderr is not None
    assert server.process.stderr.read() == ""
    shown = heptad("explain", made["id"], "--json", project=project).data
    assert shown["on"] == "Payment p1"


@pytest.mark.slow
def test_a_request_under_way_is_answered_before_the_end(
    project: Path, serving: Callable[[Path], Served]
) -> None:
    server = serving(project)

    def slowly() -> object:
        yield b'{"row": {"id": "p1", "event_time": "2026-03-01", "customer": "c1",'
        server.process.send_signal(signal.SIGTERM)
        yield b' "amount": "1", "currency": "EUR", "status": "authorised"}}'

    with httpx.Client(base_url=server.url, timeout=30) as client:
        answer = client.post(
            "/v1/apps/fraud/decide",
            content=slowly(),  # type: ignore[arg-type]
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code == 200
    assert server.process.wait(30) == 0
    assert heptad("log", "--json", project=project).data["entries"] == 1


@pytest.mark.slow
def test_after_a_kill_the_socket_it_left_is_in_nobodys_way(
    project: Path, serving: Callable[[Path], Served]
) -> None:
    server = serving(project)
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    assert socket_path(project).exists()
    assert heptad("log", project=project).code == 0
    again = serving(project)
    assert heptad("log", project=project).code == 0
    assert again.stop() == 0


def test_only_its_user_can_reach_the_socket(served: Served) -> None:
    found = socket_path(served.project).stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == os.getuid()


def test_a_second_server_is_refused_and_told_what_to_do(served: Served) -> None:
    code, said = refused(served.project, "--port", "0")
    assert code == 7
    assert f"kill {served.process.pid}" in said


def test_a_project_in_use_is_refused_too(project: Path) -> None:
    with Platform.open(project):
        assert refused(project)[0] == 7


def test_a_taken_port_is_named(project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = refused(project, "--port", str(port))
    assert code == 7
    assert f"Port {port} is taken" in said
    assert "--port" in said
    assert not socket_path(project).exists()


def test_without_keys_others_are_not_served(project: Path) -> None:
    code, said = refused(project, "--host", "0.0.0.0")
    assert code == 6
    assert "heptad keys issue" in said


@pytest.mark.slow
def test_with_a_key_others_are_served(project: Path) -> None:
    key = heptad(
        "keys", "issue", "--role", "admin", "--purpose", "audit", "--json", project=project
    ).data["key"]
    process = run_server(project, "--host", "0.0.0.0", "--port", "0")
    try:
        url = wait_for_server(process).split(" on ")[1].split()[0].replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{url}/v1/log").status_code == 401
        given = {"Authorization": f"Bearer {key}"}
        assert httpx.get(f"{url}/v1/log", headers=given).status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_address_and_port_come_from_the_project_file(project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        file = project / "heptad.toml"
        file.write_text(f'[serve]\nport = {port}\nhost = "localhost"\n', encoding="utf-8")
        assert f"Port {port} is taken" in refused(project)[1]


def test_an_address_that_is_none_is_named(project: Path) -> None:
    with pytest.raises(InputError, match="no such address"):
        serve.listening("nowhere.invalid", 0)
    with pytest.raises(Refused):
        serve.run(project, host="203.0.113.9", port=0)


def test_a_port_of_another_address_family_can_be_taken() -> None:
    try:
        with serve.listening("::1", 0) as listener:
            assert listener.family == socket.AF_INET6
    except Busy:
        pytest.skip("this machine has no IPv6")


@pytest.mark.slow
def test_starting_fails_without_a_trace_where_there_is_no_project(tmp_path: Path) -> None:
    process = run_server(tmp_path)
    try:
        _, said = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 3
    assert "heptad init" in said
    assert "Traceback" not in said
