# SPDX-License-Identifier: Apache-2.0
"""A command finds its project: here, through its server, or after waiting for another command."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from heptad.engine.local.owner import Owner, socket_path
from heptad.runtime import Platform
from heptad.standards.errors import Busy, UnknownName
from heptad.terminal import connect
from heptad.terminal.commands import run, stream

if TYPE_CHECKING:
    from pathlib import Path

    from tests.terminal.conftest import Served


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project."""
    (tmp_path / "heptad.toml").write_text('[project]\nname = "small"\n', encoding="utf-8")
    return tmp_path


def test_a_command_waits_for_another_that_holds_the_project(project: Path) -> None:
    platform = Platform.open(project)
    threading.Timer(0.3, platform.close).start()
    assert connect.call(project, "log.show", {})["entries"] == 0


def test_a_server_waits_for_a_command_to_end_but_for_no_other_server(
    project: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = Platform.open(project)
    assert Owner(project).holder() is not None
    threading.Timer(0.3, platform.close).start()
    assert connect.held(project) is None
    monkeypatch.setattr(connect, "PATIENCE_S", 1e9)
    assert connect.held(served.project) == served.process.pid


def test_a_project_that_is_given_up_just_after_it_was_asked_for_is_opened(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, answers = Owner.acquire, [False, False]
    monkeypatch.setattr(Owner, "acquire", lambda self: answers.pop() if answers else claim(self))
    assert connect.call(project, "log.show", {})["entries"] == 0
    assert not answers


def test_it_does_not_wait_for_ever(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "PATIENCE_S", 0.1)
    with Platform.open(project), pytest.raises(Busy, match="Another process holds"):
        connect.call(project, "log.show", {})


def test_a_socket_that_a_dead_server_left_is_passed_by(project: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path(project)))
    assert socket_path(project).exists()
    assert connect.call(project, "log.show", {})["entries"] == 0


def test_an_error_in_the_server_is_the_same_error_here(served: Served) -> None:
    with pytest.raises(connect.RemoteError) as caught:
        connect.call(served.project, "tables.show", {"name": "Paymnt"})
    error = caught.value
    assert (error.what, error.do) == ("There is no table 'Paymnt'.", "did you mean 'Payment'?")
    assert (error.code, error.status, error.exit) == ("unknown", 404, 4)


def test_a_command_that_the_server_does_not_know_is_named(served: Served) -> None:
    with pytest.raises(connect.RemoteError, match=r"There is no command 'tables\.lst'"):
        connect.call(served.project, "tables.lst", {})


def test_a_command_with_other_arguments_than_the_server_takes_is_a_fault(served: Served) -> None:
    with pytest.raises(connect.RemoteError, match=r"failed to run tables\.list") as caught:
        connect.call(served.project, "tables.list", {"more": 1})
    assert caught.value.exit == 1


def test_progress_comes_through_the_server(served: Served) -> None:
    told: list[str] = []
    connect.call(served.project, "load", {"source": "rates"}, lambda what, share: told.append(what))
    assert any("rates" in what for what in told)


def test_a_server_that_dies_before_it_answers_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path(project)))
        listener.listen()

        def hang_up() -> None:
            for _ in ("is somebody there?", "the command"):
                connection, _ = listener.accept()
                connection.recv(100)
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(Busy, match="stopped before it answered"):
            connect.call(project, "log.show", {})
        thread.join()


def test_a_stream_ends_with_its_result_or_its_error(project: Path) -> None:
    with Platform.open(project) as platform:
        (message,) = stream(platform, "log.show", {})
        assert message["result"]["entries"] == 0
        (message,) = stream(platform, "tables.show", {"name": "x"})
        assert message["error"]["exit"] == 4
        with pytest.raises(UnknownName):
            run(platform, "tables.shw", {})


def test_what_a_command_answers_is_plain_data(bank: Path) -> None:
    import json

    found: list[Any] = []
    with Platform.open(bank) as platform:
        for name in ("tables.list", "loads", "apps.list", "features.list", "config", "doctor"):
            found.append(run(platform, name, {}))
    assert json.loads(json.dumps(found)) == found


def test_waiting_costs_little(project: Path) -> None:
    begun = time.process_time()
    platform = Platform.open(project)
    threading.Timer(0.5, platform.close).start()
    connect.call(project, "log.show", {})
    assert time.process_time() - begun < 3
