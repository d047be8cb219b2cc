# SPDX-License-Identifier: Apache-2.0
"""Verbs about decisions: decide, explain, replay, and the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import CHECK_FAILED, Json, answer, app, instant
from heptad.terminal.complete import AppName, AppOption

log = typer.Typer(
    help="The decision log: its size, its proof, its checkpoints.", invoke_without_command=True
)
app.add_typer(log, name="log")

Why = Annotated[str, typer.Option(help="Why you read: the application's purpose, audit or legal.")]
COLUMNS = ["id", "app", "on", "when", "outcome", "why"]


@app.command()
def decide(
    app_name: AppName,
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of rows; all by default.")] = None,
    since: Annotated[str, instant("Rows from this instant on.")] = "",
    until: Annotated[str, instant("Rows before this instant.")] = "",
    row: Annotated[str, typer.Option(help="One new row as JSON, which is stored first.")] = "",
    as_json: Json = False,
) -> None:
    """Decide rows that are stored, or a new one; one decided before answers its first decision."""
    answer(
        "decide",
        as_json,
        _decided,
        app=app_name, keys=keys or [], since=since, until=until, new=row,
    )  # fmt: skip


def _decided(data: dict[str, Any]) -> None:
    if not data["decided"] and not data["erased"]:
        show.say(f"nothing decided: no such row of {data['on']} is stored; see `heptad tables`")
        return
    show.show_table(data["decisions"], COLUMNS)
    show.say(f"{data['decided']:,} decisions: {show.cell(data['outcomes'])}")
    if data["erased"]:
        rows = "1 row" if data["erased"] == 1 else f"{data['erased']:,} rows"
        show.say(f"{rows} left out: about persons who are erased")


@app.command()
def decisions(
    app_name: AppOption = "",
    outcome: Annotated[str, typer.Option(help="One outcome.")] = "",
    subject: Annotated[str, typer.Option(help="One subject: 42, or Customer:42.")] = "",
    limit: Annotated[int, typer.Option(help="Most decisions.")] = 20,
    cursor: Annotated[str, typer.Option(help="Where the page before ended.")] = "",
    as_json: Json = False,
) -> None:
    """List decisions, newest first."""
    answer(
        "decisions.list",
        as_json,
        _listed,
        app=app_name, outcome=outcome, subject=subject, limit=limit, cursor=cursor,
    )  # fmt: skip


def _listed(data: dict[str, Any]) -> None:
    show.show_table(data["decisions"], COLUMNS)
    if data["cursor"]:
        show.say(f"more: --cursor {data['cursor']}")


@app.command()
def explain(
    decision: Annotated[
        str, typer.Argument(metavar="ID", help="Decision, or its first characters.")
    ],
    to: Annotated[str, typer.Option(help="engineer, officer or customer.")] = "officer",
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    purpose: Why = "",
    as_json: Json = False,
) -> None:
    """Say why: the reasons, the values, the versions behind a decision."""
    asked = {"id": decision, "to": to, "language": language, "purpose": purpose}
    answer("explain", as_json, _explained, **asked)


def _explained(data: dict[str, Any]) -> None:
    show.say(f"{data['app']} {data['id']}  {data['when']}  {data['outcome'].upper()}")
    if data.get("erased"):
        show.say(data["erased"])
        return
    for reason in data["reasons"]:
        show.say("  " + (reason if isinstance(reason, str) else reason["sentence"]))
    for name, amount in data["amounts"].items():
        show.say(f"  {name}: {amount}")
    if "features" not in data:
        return
    from heptad.service.decisions.explaining import shown

    show.say(f"about {data['subject']}, asked by {data['on']}, known {data['known']}")
    rows = [
        {"feature": f["name"], "value": shown(f["value"], f["unit"]), "means": f["means"]}
        for f in data["features"]
    ]
    show.show_table(rows)
    if data["score"]:
        lost = {r["input"]: r["points"] for r in data["score"]["lost"]}
        score = data["score"]
        show.say(
            f"score {score['points']} points, probability {score['probability']:.4f}; lost: {show.cell(lost)}"
        )
    show.say(f"purpose {data['purpose']} on the basis of {data['basis']}")
    if "tables" in data:
        names = ("model", "code", "definitions_version", "tables", "environment")
        show.show_facts({n: data[n] for n in names})


@app.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Decisions.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every decision of the log.")] = False,
    purpose: Why = "",
    as_json: Json = False,
) -> None:
    """Decide again and derive again from what was stored, and compare bit for bit."""
    if not ids and not everything:
        raise typer.BadParameter("name decisions, or say --all")
    data = answer("replay", as_json, _replayed, ids=ids or [], purpose=purpose)
    if not data["identical"]:
        raise typer.Exit(CHECK_FAILED)


def _replayed(data: dict[str, Any]) -> None:
    show.say(f"{data['of']:,} decisions replayed")
    for step in ("decide", "derive"):
        show.say(f"  {step:<7} {show.cell(data[step])}")
    for finding in data["findings"][:10]:
        show.say(f"  {finding['id']} {finding['step']}: {finding['what']}")
    if data["environment"]:
        show.say(f"made elsewhere: {show.cell(data['environment'])}")


@log.callback(invoke_without_command=True)
def _log(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        answer("log.show", as_json, show.show_facts)


@log.command("verify")
def verify(
    against: Annotated[Path | None, typer.Option(help="A checkpoint kept elsewhere.")] = None,
    as_json: Json = False,
) -> None:
    """Read every byte of the log, recompute its tree and check every signature."""
    where = str(against.resolve()) if against else ""
    answer("log.verify", as_json, show.show_facts, against=where)


@log.command("checkpoint")
def checkpoint(
    out: Annotated[Path | None, typer.Option(help="File to keep it in.")] = None,
    as_json: Json = False,
) -> None:
    """Print the signed head; keep it where nobody can change both."""
    answer("log.checkpoint", as_json, lambda d: show.write(d["note"], out))
