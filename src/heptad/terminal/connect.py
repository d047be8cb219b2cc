# SPDX-License-Identifier: Apache-2.0
"""Reach a project: open it here, or go through the process that holds it."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import Busy, HeptadError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from heptad.runtime import Platform

    Told = Callable[[str, float], None]

PROJECT = "heptad.toml"
PATIENCE_S = 5.0
"""How long a command waits for another one that holds the project without serving it."""
_PAUSE_S = 0.05


def find_project(start: Path) -> Path:
    """Find the folder with heptad.toml, here or above.

    Raises:
        InputError: if there is none.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / PROJECT).is_file():
            return folder
    raise InputError(
        "There is no project here.",
        got=str(start.resolve()),
        do="make one with `heptad init FOLDER`, or name one with --project",
    )


def call(
    project: Path, name: str, arguments: dict[str, Any], progress: Told | None = None
) -> dict[str, Any]:
    """Run a command on a project, wherever it is open.

    Args:
        project: its folder.
        name: of the command.
        arguments: plain data.
        progress: told (what, share done).

    Raises:
        HeptadError: what the command raised, also when it ran in another process.
        Held: if another process holds the project and does not serve it.
    """
    from heptad.engine.local.owner import socket_path

    path = socket_path(project)
    until = time.monotonic() + PATIENCE_S
    while True:
        if _answers(path):
            return _remote(path, name, arguments, progress)
        platform = _opened(project, until)
        if platform is not None:
            return _local(platform, name, arguments, progress)
        time.sleep(_PAUSE_S)


def _opened(project: Path, until: float) -> Platform | None:
    """Open the project here; None while another process holds it and there is time to wait."""
    from heptad.engine.local.owner import Held
    from heptad.runtime import Platform

    try:
        return Platform.open(project)
    except Held:
        if time.monotonic() > until:
            raise
    return None


def held(project: Path) -> int | None:
    """Return which process holds a project; one that runs a command is given time to end."""
    from heptad.engine.local.owner import Owner, socket_path

    until, path = time.monotonic() + PATIENCE_S, socket_path(project)
    while (holder := Owner(project).holder()) is not None:
        if _answers(path) or time.monotonic() > until:
            break
        time.sleep(_PAUSE_S)
    return holder


def _local(
    platform: Platform, name: str, arguments: dict[str, Any], progress: Told | None
) -> dict[str, Any]:
    """Run the command here."""
    from heptad.terminal.commands import WITH_PROGRESS, run

    more = {"progress": progress} if progress and name in WITH_PROGRESS else {}
    with platform:
        return run(platform, name, arguments | more)


def _answers(path: Path) -> bool:
    """Whether somebody listens at a socket; a dead server leaves one where nobody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _remote(
    path: Path, name: str, arguments: dict[str, Any], progress: Told | None
) -> dict[str, Any]:
    """Send the command to the owner."""
    import httpx

    transport = httpx.HTTPTransport(uds=str(path))
    # A command may run for hours; Ctrl-C ends the waiting.
    with httpx.Client(transport=transport, base_url="http://owner", timeout=None) as client:  # noqa: S113
        try:
            with client.stream("POST", f"/owner/{name}", json=arguments) as response:
                return _result(response, progress)
        except httpx.TransportError as error:
            raise _gone() from error


def _result(response: httpx.Response, progress: Told | None) -> dict[str, Any]:
    """Read progress and the result, or raise what the command raised."""
    import msgspec

    if response.is_error:
        response.read()
        raise RemoteError(response.json())
    for line in response.iter_lines():
        message = msgspec.json.decode(line)
        if "progress" in message and progress is not None:
            progress(*message["progress"])
        elif "error" in message:
            raise RemoteError(message["error"])
        elif "result" in message:
            result: dict[str, Any] = message["result"]
            return result
    raise _gone()


def _gone() -> Busy:
    return Busy(
        "The process that holds the project stopped before it answered.",
        do="run the command again; what was acknowledged is kept",
    )


class RemoteError(HeptadError):
    """An error raised in the process that holds the project, shown as it was there."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(
            problem["detail"],
            got=problem.get("got"),
            do=problem.get("do", ""),
            place=problem.get("place", ""),
        )
        self.code = problem["code"]  # type: ignore[misc]
        self.status = problem["status"]  # type: ignore[misc]
        self.exit = problem.get("exit", 1)  # type: ignore[misc]
