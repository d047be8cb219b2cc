# SPDX-License-Identifier: Apache-2.0
"""One process owns a project; its claim dies with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heptad.engine.local.owner import Owner, socket_path
from heptad.standards.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

CLAIM = """
import sys, time
from pathlib import Path
from heptad.engine.local.owner import Owner
owner = Owner(Path(sys.argv[1]))
print(owner.acquire(), flush=True)
sys.stdin.read()
"""


def claiming(folder: Path) -> subprocess.Popen:
    """Another process that claims the folder and waits."""
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_second_process_is_refused_until_the_first_dies(tmp_path: Path) -> None:
    with claiming(tmp_path) as other:
        assert other.stdout.readline() == b"True\n"
        mine = Owner(tmp_path)
        assert not mine.acquire()
        assert not mine.owned
        assert mine.holder() == other.pid
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert (tmp_path / "owner.lock").read_text() == f"{other.pid}\n"
    assert mine.holder() is None
    assert mine.acquire()
    assert mine.holder() == os.getpid()
    assert (tmp_path / "owner.lock").read_text() == f"{os.getpid()}\n"
    with claiming(tmp_path) as other:
        assert other.stdout.readline() == b"False\n"
        other.stdin.close()
    mine.release()


def test_claims_within_one_process_exclude_each_other(tmp_path: Path) -> None:
    first, second = Owner(tmp_path), Owner(tmp_path)
    assert second.holder() is None
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    first.release()
    first.release()
    with second:
        assert second.acquire()
    assert first.acquire()
    first.release()


def test_a_forked_child_does_not_keep_the_claim(tmp_path: Path) -> None:
    script = CLAIM.replace("sys.stdin.read()", "") + (
        "import os\n"
        "pid = os.fork()\n"
        "if not pid: os.write(1, b'forked\\n'); sys.stdin.read(); os._exit(0)\n"
        "os.write(1, b'%d\\n' % pid); os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout.readline() == b"True\n"
        lines = [parent.stdout.readline(), parent.stdout.readline()]
        child = next(int(line) for line in lines if line != b"forked\n")
        parent.wait()
        os.kill(child, 0)
        mine = Owner(tmp_path)
        assert mine.acquire()
        mine.release()


@pytest.fixture
def near() -> Iterator[Path]:
    """A folder whose path is short enough for a socket, wherever the tests run."""
    with tempfile.TemporaryDirectory(prefix="h", dir="/tmp") as folder:
        yield Path(folder)


def test_socket_lies_in_the_project_or_where_the_path_is_short(
    tmp_path: Path, near: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path("/tmp")
    assert socket_path(short) == short.resolve() / "heptad.sock"
    runtime = near / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setattr("tempfile.tempdir", str(runtime))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    deep, other = tmp_path / ("d" * 90), tmp_path / ("e" * 90)
    path = socket_path(deep)
    assert path.parent == runtime / f"heptad-{os.getuid()}"
    assert path == socket_path(deep)
    assert path != socket_path(other)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert socket_path(deep).parent == runtime / "heptad"


def test_a_runtime_folder_open_to_others_is_refused(
    tmp_path: Path, near: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(near))
    (near / "heptad").mkdir()
    (near / "heptad").chmod(0o755)
    with pytest.raises(Refused, match="can be used by others"):
        socket_path(tmp_path / ("d" * 90))
    (near / "heptad").rmdir()
    (near / "heptad").symlink_to(near)
    with pytest.raises(Refused):
        socket_path(tmp_path / ("d" * 90))
