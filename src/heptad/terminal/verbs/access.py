# SPDX-License-Identifier: Apache-2.0
"""The verb that shows who read what about whom, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app, instant

COLUMNS = ["when", "who", "role", "purpose", "basis", "action", "result", "tables", "rows",
           "people", "about"]  # fmt: skip


@app.command()
def access(
    subject: Annotated[
        str, typer.Option(help="Only reads about one person: Customer:42, or a customer's key.")
    ] = "",
    since: Annotated[str, instant("Only from this instant on (ISO 8601).")] = "",
    limit: Annotated[int, typer.Option(help="Most reads.")] = 20,
    purpose: Annotated[str, typer.Option(help="Why you ask: audit or legal.")] = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="Check every byte of the access log instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show who read what about whom and why, refused reads too; asking is recorded as well."""
    if verify:
        answer("access.verify", as_json, show.show_facts)
        return
    answer(
        "access.list", as_json, _accesses,
        subject=subject, since=since, limit=limit, purpose=purpose,
    )  # fmt: skip


def _accesses(data: dict[str, Any]) -> None:
    show.show_table(data["accesses"], COLUMNS)
    if any(not row["named"] for row in data["accesses"]):
        show.say("a read about very many persons is listed for each of them")
