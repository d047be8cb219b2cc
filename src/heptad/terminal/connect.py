# SPDX-License-Identifier: Apache-2.0
"""Reach a project: open it here, or go through the process that holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.standards.errors import Busy, HeptadError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

PROJECT = "heptad.toml"
_TIMEOUT_S = 3600.0


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
        got=str(start),
        do="make one with `heptad init FOLDER`, or name one with --project",
    )


def call(
    project: Path,
    name: str,
    arguments: dict[str, Any],
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Run a command on a project, wherever it is open.

    Args:
        project: its folder.
        name: of the command.
        arguments: plain data.
        progress: told (what, share done).

    Raises:
        HeptadError: what the command raised, also when it ran in another process.
    """
    from heptad.engine.local.owner import socket_path

    socket = socket_path(project)
    if socket.exists():
        answer = _remote(socket, name, arguments, progress)
        if answer is not None:
            return answer
    return _local(project, name, arguments, progress)


def _local(
    project: Path,
    name: str,
    arguments: dict[str, Any],
    progress: Callable[[str, float], None] | None,
) -> dict[str, Any]:
    """Open the project here and run the command."""
    from heptad.runtime import Platform
    from heptad.terminal.commands import WITH_PROGRESS, run

    more = {"progress": progress} if progress and name in WITH_PROGRESS else {}
    with Platform.open(project) as platform:
        return run(platform, name, arguments | more)


def _remote(
    socket: Path,
    name: str,
    arguments: dict[str, Any],
    progress: Callable[[str, float], None] | None,
) -> dict[str, Any] | None:
    """Send the command to the owner; None if nobody answers there any more."""
    import httpx

    transport = httpx.HTTPTransport(uds=str(socket))
    with httpx.Client(transport=transport, base_url="http://owner", timeout=_TIMEOUT_S) as client:
        request = client.build_request("POST", f"/owner/{name}", json=arguments)
        try:
            response = client.send(request, stream=True)
        except httpx.ConnectError:
            return None
        with _closing(response):
            return _result(response, progress)


def _closing(response: httpx.Response) -> Any:
    from contextlib import closing

    return closing(response)


def _result(
    response: httpx.Response, progress: Callable[[str, float], None] | None
) -> dict[str, Any]:
    """Read progress and the result, or raise what the command raised."""
    import msgspec

    for line in response.iter_lines():
        message = msgspec.json.decode(line)
        if "progress" in message and progress is not None:
            progress(*message["progress"])
        elif "error" in message:
            raise raised(message["error"])
        elif "result" in message:
            result: dict[str, Any] = message["result"]
            return result
    raise Busy(
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
        self.exit = problem["exit"]  # type: ignore[misc]


def raised(problem: dict[str, Any]) -> RemoteError:
    """Make the error again from its problem document."""
    return RemoteError(problem)
