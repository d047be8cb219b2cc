# SPDX-License-Identifier: Apache-2.0
"""Verbs about the row store."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app

row = typer.Typer(help="Rows of the row store, by key.", no_args_is_help=True)
app.add_typer(row, name="row")


@row.command("list")
def list_rows(
    table: Annotated[str, typer.Argument(help="A row table; the tables by default.")] = "",
    as_json: Json = False,
) -> None:
    """List the row tables, or the first rows of one."""
    answer("row.list", as_json, lambda d: show.show_table(d["rows"] if table else d["tables"]),
           table=table)  # fmt: skip


@row.command("show")
def show_row(
    table: Annotated[str, typer.Argument(help="A row table, for example online_Customer.")],
    key: Annotated[str, typer.Argument(help="Key of the row.")],
    purpose: Annotated[str, typer.Option(help="Why you read; service by default.")] = "",
    as_json: Json = False,
) -> None:
    """Draw one row: its families, their columns, and the versions of each cell."""
    answer("row.show", as_json, _row, table=table, key=key, purpose=purpose)


def _row(data: dict[str, Any]) -> None:
    show.say(f"{data['table']}  {data['key']}")
    last = len(data["families"]) - 1
    for n, family in enumerate(data["families"]):
        show.say(f"{'└' if n == last else '├'}─ {family['family']}  keeps {family['versions']}")
        stem = "   " if n == last else "│  "
        for m, column in enumerate(family["columns"]):
            end = m == len(family["columns"]) - 1
            show.say(f"{stem}{'└' if end else '├'}─ {column['qualifier']}")
            for cell in column["cells"]:
                show.say(f"{stem}{'   ' if end else '│  '}   {cell['at']}  {cell['value']}")
