# SPDX-License-Identifier: Apache-2.0
"""Verbs about data: load, tables, quarantine, lineage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app, instant
from heptad.terminal.complete import AppOption, Table, complete_node, complete_source

tables = typer.Typer(help="Tables: what they declare, hold and held.", invoke_without_command=True)
quarantine = typer.Typer(help="Rows that were not let in, and the way back.", no_args_is_help=True)
app.add_typer(tables, name="tables")
app.add_typer(quarantine, name="quarantine")

T = Annotated[str, instant("As it had happened by this instant (ISO 8601).", "--t")]
K = Annotated[str, instant("As it was known by this instant (ISO 8601).", "--k")]


@app.command()
def load(
    source: Annotated[
        str,
        typer.Argument(help="Name of one source; all by default.", autocompletion=complete_source),
    ] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would happen.")] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Rows were known when they happened, not now.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Load what the sources hold and the project does not: once, whatever happens."""
    answer("load", as_json, _loaded, source=source, plan=plan, history=history)


def _loaded(data: dict[str, Any]) -> None:
    columns = ["source", "table", "status", "read", "accepted", "quarantined", "duplicates",
               "corrections", "deletions", "seconds"]  # fmt: skip
    show.show_table(data["loads"], columns)
    for row in data["loads"]:
        for note in row["notes"]:
            show.say(f"{row['source']}: {note}")
        if data["plan"]:
            for reason, n in row["reasons"].items():
                show.say(f"{row['source']}: {n:,} rows would be set aside: {reason}")
    if not data["plan"] and any(row["quarantined"] for row in data["loads"]):
        show.say("see why: heptad quarantine list")


@app.command()
def loads(as_json: Json = False) -> None:
    """List past loads."""
    answer("loads", as_json, lambda d: show.show_table(d["loads"]))


@tables.callback(invoke_without_command=True)
def _tables(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        answer("tables.list", as_json, lambda d: show.show_table(d["tables"]))


@tables.command("show")
def show_table(name: Table, as_json: Json = False) -> None:
    """Show a table: its fields, versions, quality and what reads it."""
    answer("tables.show", as_json, _table, name=name)


def _table(data: dict[str, Any]) -> None:
    show.say(f"{data['table']}: {data['doc']}")
    show.show_table(data["fields"], ["field", "type", "unit", "is", "means"])
    for field in data["fields"]:
        if field["codes"]:
            show.say(f"{field['field']} is one of: {', '.join(field['codes'])}")
    show.show_facts({n: data[n] for n in ("rows", "version", "size", "contract", "features")})


@tables.command("rows")
def show_rows(
    name: Table,
    t: T = "",
    k: K = "",
    version: Annotated[int, typer.Option(help="A stored version.")] = -1,
    limit: Annotated[int, typer.Option(help="Most rows.")] = 20,
    purpose: Annotated[str, typer.Option(help="Why you read; decides what is masked.")] = "",
    after: Annotated[str, typer.Option(help="Only rows beyond this key.")] = "",
    as_json: Json = False,
) -> None:
    """Show rows as of an instant in both times; personal values are masked without a purpose."""
    answer(
        "tables.rows",
        as_json,
        _rows,
        name=name, t=t, k=k, version=version, limit=limit, purpose=purpose, after=after,
    )  # fmt: skip


def _rows(data: dict[str, Any]) -> None:
    from heptad.standards.money import format_minor

    rows = [dict(row) for row in data["rows"]]
    for row in rows:
        for amount, currency in data["money"].items():
            if row[amount] is not None and row[currency] is not None:
                row[amount] = format_minor(row[amount], row[currency])
    filled = [n for n in (rows or [{}])[0] if any(r[n] is not None for r in rows)]
    show.show_table(rows, filled)
    if data["after"] is not None:
        show.say(f"more: --after {data['after']}", error=True)


@tables.command("versions")
def versions(name: Table, as_json: Json = False) -> None:
    """List the stored versions of a table and the loads that made them."""
    answer("tables.show", as_json, lambda d: show.show_table(d["versions"]), name=name)


@quarantine.command("list")
def list_quarantine(as_json: Json = False) -> None:
    """Count the rows in quarantine by table and reason."""
    answer("quarantine.list", as_json, _reasons)


def _reasons(data: dict[str, Any]) -> None:
    show.show_table(data["reasons"], ["table", "load", "reason", "field", "rows"])
    for row in data["reasons"]:
        told = f"{row['table']}.{row['field']}" if row["field"] else row["table"]
        if row["allowed"]:
            came = ", ".join(map(repr, row["words"])) or "other words"
            show.say(f"{told}: {came} came; allowed are {row['allowed']}")
        show.say(f"{told}, {row['reason']}: {row['do']}")
    if data["reasons"]:
        show.say("see the rows: heptad quarantine show TABLE")


@quarantine.command("show")
def show_quarantine(
    table: Table,
    limit: Annotated[int, typer.Option(help="Most rows.")] = 20,
    as_json: Json = False,
) -> None:
    """Show rows in quarantine: reason, file, line and what was read, masked where it is personal."""
    answer("quarantine.show", as_json, _refused, table=table, limit=limit)


def _refused(data: dict[str, Any]) -> None:
    show.show_table(data["rows"], ["load", "sentence", "word", "file", "line", "raw"])
    for field, allowed in {(r["field"], r["allowed"]) for r in data["rows"] if r["allowed"]}:
        show.say(f"{data['table']}.{field} takes {allowed}")


@quarantine.command("retry")
def retry_quarantine(table: Table, as_json: Json = False) -> None:
    """Check the rows again, after the map or the table was changed, and load those that pass."""
    answer("quarantine.retry", as_json, show.show_facts, table=table)


@quarantine.command("repair")
def repair_row(
    table: Table,
    load: Annotated[int, typer.Argument(help="The load that refused the row.")],
    line: Annotated[int, typer.Argument(help="Its record there.")],
    cells: Annotated[list[str], typer.Argument(help="COLUMN=TEXT; COLUMN= for nothing.")],
    file: Annotated[str, typer.Option(help="Its file, where the load had several.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only say what would happen.")] = False,
    as_json: Json = False,
) -> None:
    """Write cells of one refused row anew and check it again; it is stored if it passes."""
    written = dict(cell.split("=", 1) for cell in cells if "=" in cell)
    if len(written) < len(cells):
        raise typer.BadParameter("cells are written COLUMN=TEXT")
    asked = {"table": table, "load": load, "line": line, "cells": written, "file": file}
    answer("quarantine.repair", as_json, _repaired, **asked, check=check)


def _repaired(data: dict[str, Any]) -> None:
    done = "would be stored" if data["check"] else "is stored"
    if data["duplicates"]:
        show.say("the table holds this row already")
    elif data["accepted"]:
        show.say(f"the row {done}")
    for reason in data["reasons"]:
        show.say(f"still refused: {reason['sentence']}")
        show.say(f"  do:   {reason['do']}")


@quarantine.command("drop")
def drop_quarantine(
    table: Table,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Drop the rows in quarantine for good."""
    if not yes:
        typer.confirm(f"Drop every row of {table} in quarantine?", abort=True)
    answer("quarantine.drop", as_json, show.show_facts, table=table)


@app.command()
def lineage(
    node: Annotated[
        str,
        typer.Argument(
            help="Payment.amount, fraud.spend_1d, fraud …", autocompletion=complete_node
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show where a value comes from and what it touches."""
    answer("lineage", as_json, _lineage, node=node)


def _lineage(data: dict[str, Any]) -> None:
    for name in ("upstream", "downstream"):
        graph = data[name]
        show.say(f"{name}: {len(graph['nodes']) - 1} nodes")
        for origin, target, how in graph["edges"]:
            show.say(f"  {origin} -> {target}" + (f"  ({how})" if how else ""))
        if graph["note"]:
            show.say(graph["note"])


export = typer.Typer(help="Give data to others.")
app.add_typer(export, name="export")


Out = Annotated[Path | None, typer.Option(help="File to write.")]


@export.command("contract")
def export_contract(table: Table, out: Out = None, as_json: Json = False) -> None:
    """Export a table's contract as ODCS v3 YAML."""
    answer("tables.export", as_json, lambda d: show.write(d["odcs"], out), table=table)


@export.command("decisions")
def export_decisions(app_name: AppOption = "", out: Out = None, as_json: Json = False) -> None:
    """Export decisions as JSON Lines, with one hash over all of them."""
    answer("export.decisions", as_json, lambda d: _decisions(d, out), app=app_name)


def _decisions(data: dict[str, Any], out: Path | None) -> None:
    import json

    show.write("".join(json.dumps(d, sort_keys=True) + "\n" for d in data["decisions"]), out)
    show.say(f"sha256 {data['sha256']}", error=True)
