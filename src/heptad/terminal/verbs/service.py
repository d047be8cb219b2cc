# SPDX-License-Identifier: Apache-2.0
"""The verb that serves a project over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from heptad.terminal.cli import app, session


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address; heptad.toml's by default. Only loopback without keys.")
    ] = "",
    port: Annotated[int, typer.Option(help="Port; heptad.toml's by default.")] = 0,
    log_level: Annotated[
        str, typer.Option(help="debug, info (each request), warning or error, as JSON lines.")
    ] = "warning",
) -> None:
    """Serve the project: HTTP API with docs, and every other command through this process."""
    from heptad.terminal.connect import find_project

    serve_project(find_project(session.project), host=host, port=port, log_level=log_level)


def serve_project(project: Path, *, host: str, port: int, log_level: str = "warning") -> None:
    """Open a project and serve it until stopped."""
    from heptad.terminal.serve import run

    run(project, host=host, port=port, log_level=log_level)
