# SPDX-License-Identifier: Apache-2.0
"""A small bank in a project folder, a command line in this process, and a server beside it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import Platform
from heptad.sources.bank import Bank
from heptad.sources.bank.files import write_exports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What was printed as JSON, and nothing else."""
        import json

        return json.loads(self.out)


def heptad(*arguments: str, project: Path | None = None) -> Said:
    """Run the command line in this process, as `heptad` would."""
    from heptad.terminal.cli import main

    chosen = ["-p", str(project)] if project else []
    before, sys.argv = sys.argv, ["heptad", *chosen, *arguments]
    out, err = StringIO(), StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exports of thirty customers, loaded; some payments decided."""
    folder = tmp_path_factory.mktemp("bank")
    write_exports(Bank(30, 7, date(2026, 1, 1), 30), folder)
    with Platform.open(folder) as platform:
        platform.load()
        platform.decide("fraud", latest=100)
    return folder


@pytest.fixture
def own(bank: Path, tmp_path: Path) -> Path:
    """A copy of the bank that a test may change."""
    return copied(bank, tmp_path / "own")


def copied(folder: Path, to: Path) -> Path:
    """Copy a project that nobody holds."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns(".duck", "heptad.sock"))
    return to


@dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    project: Path
    port: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def run_server(project: Path, *options: str) -> subprocess.Popen[str]:
    """Start `heptad serve`."""
    command = [sys.executable, "-c", "from heptad.terminal.cli import main; main()"]
    return subprocess.Popen(
        [*command, "-p", str(project), "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )


def wait_for_server(process: subprocess.Popen[str]) -> str:
    """Wait until it serves, and return the line that says where."""
    assert process.stdout is not None
    for line in process.stdout:  # where it starts slowly, it says first what it is busy with
        if line.startswith("serving "):
            return line
    pytest.fail(str(process.communicate(timeout=10)))


@pytest.fixture(scope="session")
def serving() -> Iterator[Callable[[Path], Served]]:
    """Serve projects until the tests end."""
    started: list[Served] = []

    def start(project: Path) -> Served:
        port = free_port()
        process = run_server(project, "--port", str(port))
        started.append(Served(process, project, port))
        wait_for_server(process)
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate(timeout=10)


@pytest.fixture(scope="session")
def served(
    bank: Path, serving: Callable[[Path], Served], tmp_path_factory: pytest.TempPathFactory
) -> Served:
    """The bank, served by another process; tests may only add to it."""
    return serving(copied(bank, tmp_path_factory.mktemp("served") / "bank"))
