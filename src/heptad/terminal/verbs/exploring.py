# SPDX-License-Identifier: Apache-2.0
"""Verbs that answer a question in SQL: on the screen, or into a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.standards.errors import InputError
from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app, instant
from heptad.terminal.verbs.data import Out, export

Sql = Annotated[str, typer.Argument(metavar="SELECT", help='For example "SELECT count(*) FROM Payment".')]  # fmt: skip
At = Annotated[str, instant("As it had happened by this instant (ISO 8601).", "--t")]
Known = Annotated[str, instant("As it was known by this instant (ISO 8601).", "--k")]
Why = Annotated[str, typer.Option(help="Why you ask; decides what is masked and left out.")]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


@app.command()
def explore(
    sql: Sql,
    t: At = "",
    k: Known = "",
    limit: Annotated[int, typer.Option(help="Most rows.")] = 50,
    purpose: Why = "",
    as_json: Json = False,
) -> None:
    """Ask the declared tables in SQL: one SELECT, in a process that can reach nothing else."""
    answer("explore", as_json, _explored, sql=sql, t=t, k=k, limit=limit, purpose=purpose)


def _explored(data: dict[str, Any]) -> None:
    show.show_table(data["rows"], data["columns"])
    if data["more"]:
        show.say("there is more: raise --limit", error=True)


@export.callback(invoke_without_command=True)
def export_answer(
    context: typer.Context,
    sql: Annotated[str, typer.Option(help="One SELECT over the declared tables.")] = "",
    out: Out = None,
    t: At = "",
    k: Known = "",
    limit: Annotated[int, typer.Option(help="Most rows.")] = 100_000,
    purpose: Why = "",
) -> None:
    """Give data to others: a contract, decisions, or the answer to a question in SQL."""
    if context.invoked_subcommand is not None:
        return
    if not sql:
        raise typer.BadParameter('say what: contract, decisions, or --sql "SELECT …"')
    write = written(out)
    answer(
        "explore", False, lambda d: show.write(write(d), out),
        sql=sql, t=t, k=k, limit=limit, purpose=purpose,
    )  # fmt: skip


def written(out: Path | None) -> Any:
    """Return what writes an answer in the form that the file's name asks for; CSV by default.

    Raises:
        InputError: if the name ends otherwise.
    """
    forms = {"": as_csv, ".csv": as_csv, ".jsonl": as_lines}
    suffix = out.suffix if out else ""
    if suffix not in forms:
        raise InputError("An answer is written as CSV or JSON Lines.", got=suffix, do="name .csv")
    return forms[suffix]


def as_csv(data: dict[str, Any]) -> str:
    """Write an answer as CSV; text that a spreadsheet would run as a formula is made harmless."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_harmless(name) for name in data["columns"]])
    for row in data["rows"]:
        writer.writerow(["" if v is None else _harmless(v) for v in row.values()])
    return text.getvalue()


def as_lines(data: dict[str, Any]) -> str:
    """Write an answer as JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in data["rows"])


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
