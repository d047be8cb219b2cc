# SPDX-License-Identifier: Apache-2.0
"""The verb that serves a project over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from heptad.standards.errors import InputError
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
    hbase: Annotated[
        int, typer.Option(help="Port of this machine to answer HBase's Thrift protocol on.")
    ] = 0,
    hbase_role: Annotated[str, typer.Option(help="In which role HBase's clients act.")] = "",
    hbase_purpose: Annotated[str, typer.Option(help="For which purpose they act.")] = "",
) -> None:
    """Serve the project: HTTP API with docs, and every other command through this process."""
    from heptad.terminal.connect import find_project

    if hbase and not (hbase_role and hbase_purpose):
        raise InputError(
            "The HBase gateway acts in one role and for one purpose.",
            do="add --hbase-role and --hbase-purpose",
        )
    gateway = (hbase, hbase_role, hbase_purpose) if hbase else None
    serve_project(
        find_project(session.project), host=host, port=port, log_level=log_level, hbase=gateway
    )


def serve_project(
    project: Path,
    *,
    host: str,
    port: int,
    log_level: str = "warning",
    hbase: tuple[int, str, str] | None = None,
) -> None:
    """Open a project and serve it until stopped."""
    from heptad.terminal.serve import Hbase, run

    asked = Hbase(*hbase) if hbase else None
    run(project, host=host, port=port, log_level=log_level, hbase=asked)
