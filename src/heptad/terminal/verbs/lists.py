# SPDX-License-Identifier: Apache-2.0
"""Verbs about lists: which there are, who stands on one, and what a file puts on it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.standards.errors import InputError
from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app, instant

lists = typer.Typer(
    help="Allow, deny and watch lists that flows ask for.", invoke_without_command=True
)
app.add_typer(lists, name="lists")

Name = Annotated[str, typer.Argument(help="Name of the list.")]


@lists.callback(invoke_without_command=True)
def _lists(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        answer("lists.list", as_json, lambda d: show.show_table(d["lists"]))


@lists.command("show")
def show_list(
    name: Name,
    limit: Annotated[int, typer.Option(help="Most entries.")] = 100,
    as_json: Json = False,
) -> None:
    """Show who or what stands on a list, as known now."""
    answer("lists.show", as_json, lambda d: show.show_table(d["entries"]), name=name, limit=limit)


@lists.command("upload")
def upload(
    name: Name,
    file: Annotated[Path, typer.Argument(help="CSV or XLSX; the first row names the columns.")],
    kind: Annotated[str, typer.Option(help="allow, deny or watch.")] = "watch",
    of: Annotated[str, typer.Option(help="Table whose keys it holds.")] = "Merchant",
    column: Annotated[str, typer.Option(help="Column of the file with the keys.")] = "id",
    since: Annotated[str, instant("From when; now by default.")] = "",
    until: Annotated[str, instant("Until when; without end by default.")] = "",
    as_json: Json = False,
) -> None:
    """Put what a file names on a list; columns `since` and `until` of the file go before."""
    try:
        content = base64.b64encode(file.read_bytes()).decode()
    except OSError as error:
        raise InputError("The file cannot be read.", got=str(error), place=str(file)) from None
    asked: dict[str, Any] = {"content": content, "file": file.name, "kind": kind, "of": of}
    more = {"column": column, "since": since, "until": until}
    answer("lists.upload", as_json, show.show_facts, name=name, **asked, **more)
