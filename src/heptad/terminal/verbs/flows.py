# SPDX-License-Identifier: Apache-2.0
"""Verbs about rules and flows: check, test, draw, back-test, propose, approve, publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.standards.errors import InputError
from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app, instant
from heptad.terminal.complete import AppName, AppOption

rules = typer.Typer(help="Rule sets in YAML: check them, try them on rows.", no_args_is_help=True)
flow = typer.Typer(
    help="Decision flows: show, back-test, publish by four eyes.", no_args_is_help=True
)
app.add_typer(rules, name="rules")
app.add_typer(flow, name="flow")

File = Annotated[Path, typer.Argument(help="YAML file.")]
Who = Annotated[str, typer.Option(envvar="HEPTAD_USER", help="Who does it.")]
Note = Annotated[str, typer.Option(help="Why.")]
FLOWS = ["number", "flow", "version", "stage", "proposed by", "approved by", "sha256"]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("The file cannot be read.", got=str(error), place=str(path)) from None


@rules.command("check")
def check(file: File, app_name: AppOption = "", as_json: Json = False) -> None:
    """Read a rule set or a flow; an error names its file, line, what and cure."""
    asked = {"text": _text(file), "name": file.name, "app": app_name}
    answer("rules.check", as_json, _checked, **asked)


def _checked(data: dict[str, Any]) -> None:
    show.say(
        f"{data['kind']} {data['name']} {data['version']} on {data['on']}: {data['sha256'][:12]}"
    )
    show.show_table(data["rules"], ["code", "outcome", "when"])


@rules.command("test")
def try_rules(
    file: File,
    rows: Annotated[Path, typer.Argument(help="JSON Lines, a row each: column → value.")],
    app_name: AppOption = "",
    as_json: Json = False,
) -> None:
    """Ask a rule set of rows; say which rules fire."""
    try:
        given = [json.loads(line) for line in _text(rows).splitlines() if line.strip()]
    except json.JSONDecodeError as error:
        raise InputError("Rows are JSON Lines.", got=str(error), place=rows.name) from None
    if not all(isinstance(row, dict) for row in given):
        raise InputError("A row is an object: column → value.", place=rows.name)
    asked = {"text": _text(file), "rows": given, "name": file.name, "app": app_name}
    answer("rules.test", as_json, lambda d: show.show_table(d["answers"]), **asked)


@flow.command("show")
def show_flow(
    app_name: AppName,
    number: Annotated[int, typer.Option(help="A proposed flow; the one in force by default.")] = 0,
    form: Annotated[str, typer.Option(help="text, mermaid, svg or json.")] = "text",
    as_json: Json = False,
) -> None:
    """Show a flow: its text, or drawn as Mermaid or SVG."""
    wanted = "json" if form == "text" else form
    answer(
        "flow.show", as_json or form == "json", lambda d: show.write(d["drawing"] or d["text"], None),
        app=app_name, number=number, form=wanted,
    )  # fmt: skip


@flow.command("list")
def list_flows(app_name: AppName, as_json: Json = False) -> None:
    """List the flows that were proposed for an application."""
    answer("flow.list", as_json, lambda d: show.show_table(d["flows"], FLOWS), app=app_name)


@flow.command("propose")
def propose(app_name: AppName, file: File, who: Who, as_json: Json = False) -> None:
    """Keep a flow as a candidate for somebody else to approve."""
    asked = {"app": app_name, "text": _text(file), "name": file.name, "who": who}
    answer("flow.propose", as_json, show.show_facts, **asked)


@flow.command("approve")
def approve(
    app_name: AppName,
    number: Annotated[int, typer.Argument(help="Number of the proposal.")],
    sha256: Annotated[str, typer.Option(help="Hash of the bytes that you have read.")],
    who: Who,
    note: Note,
    as_json: Json = False,
) -> None:
    """Approve a flow that somebody else proposed, by the hash of what you have read."""
    asked = {"app": app_name, "number": number, "sha256": sha256, "who": who, "note": note}
    answer("flow.approve", as_json, show.show_facts, **asked)


@flow.command("publish")
def publish(
    app_name: AppName,
    file: File,
    who: Who,
    share: Annotated[float, typer.Option(help="As challenger of this share of subjects.")] = 0.0,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Only record what it would decide; it decides nothing.")
    ] = False,
    note: Note = "",
    as_json: Json = False,
) -> None:
    """Let approved bytes decide; a file that was changed since is refused."""
    asked = {"app": app_name, "text": _text(file), "who": who, "share": share, "note": note}
    answer("flow.publish", as_json, show.show_facts, **asked, shadow=shadow)


@flow.command("shadow")
def shadow_flow(
    app_name: AppName,
    number: Annotated[int, typer.Option(help="A flow; the one in shadow now by default.")] = 0,
    was: Annotated[str, typer.Option(help="List decisions that were made so,")] = "",
    would_be: Annotated[str, typer.Option(help="and would have been made so.")] = "",
    again: Annotated[
        bool, typer.Option("--replay", help="Ask it again of all, and compare bit for bit.")
    ] = False,
    purpose: Annotated[str, typer.Option(help="Why; audit, legal or the application's.")] = "",
    as_json: Json = False,
) -> None:
    """Compare a flow in shadow with what was decided since it was published."""
    asked: dict[str, Any] = {"app": app_name, "number": number, "purpose": purpose}
    if again:
        answer("flow.shadow.replay", as_json, show.show_facts, **asked)
        return
    answer("flow.shadow", as_json, _shadowed, **asked, was=was, would_be=would_be)


def _shadowed(data: dict[str, Any]) -> None:
    show.say(
        f"flow {data['number']} in shadow: {data['rows']:,} decisions, {data['changed']:,} would be "
        f"decided otherwise, {data['failed']:,} failed, {data['behind']:,} entries behind"
    )
    show.show_table(data["swaps"], ["was", "would_be", "rows"])
    for id_ in data["decisions"]:
        show.say(id_)


@flow.command("withdraw")
def withdraw(
    app_name: AppName,
    number: Annotated[int, typer.Argument(help="Number of the flow.")],
    who: Who,
    note: Note,
    as_json: Json = False,
) -> None:
    """Take a flow out of use; without another one the package's own decides again."""
    asked = {"app": app_name, "number": number, "who": who, "note": note}
    answer("flow.withdraw", as_json, show.show_facts, **asked)


@flow.command("change")
def change(
    decision: Annotated[str, typer.Argument(metavar="ID", help="Decision, or how its id begins.")],
    purpose: Annotated[str, typer.Option(help="Why; audit, legal or the application's.")] = "",
    as_json: Json = False,
) -> None:
    """Say which smallest permitted changes would have had a decision approved."""
    answer("flow.change", as_json, _changed, id=decision, purpose=purpose)


def _changed(data: dict[str, Any]) -> None:
    if data["changes"]:
        show.say(f"{data['outcome']} would have been {data['would_be']} with:")
        show.show_table(data["changes"], ["name", "now", "to"])
        return
    gone = (
        "nothing that is permitted" if data["complete"] else f"nothing of {data['tried']:,} tried"
    )
    show.say(f"{data['outcome']}: {gone} would have changed it")


@flow.command("counts")
def counts(
    app_name: AppName,
    most: Annotated[int, typer.Option(help="Of the latest decisions so many.")] = 2000,
    form: Annotated[str, typer.Option(help="text, mermaid or svg.")] = "text",
    purpose: Annotated[str, typer.Option(help="Why; audit, legal or the application's.")] = "",
    as_json: Json = False,
) -> None:
    """Show the flow in force with how many decisions reached each stage and were made there."""
    columns = ["name", "kind", "entered", "decided", "outcomes"]
    answer(
        "flow.counts", as_json,
        lambda d: show.write(d["drawing"], None) if d["drawing"]
        else show.show_table(d["stages"], columns),
        app=app_name, most=most, form="json" if form == "text" else form, purpose=purpose,
    )  # fmt: skip


@flow.command("pace")
def pace(
    app_name: AppName,
    hourly: Annotated[float, typer.Option(help="What an hour of a person's work costs.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Say which share of decisions needed no person, and minutes and cost per decision."""
    answer("flow.pace", as_json, show.show_facts, app=app_name, hourly=hourly)


@flow.command("backtest")
def backtest(
    app_name: AppName,
    file: Annotated[Path | None, typer.Argument(help="YAML; the flow in force by default.")] = None,
    since: Annotated[str, instant("Rows from this instant on.")] = "",
    until: Annotated[str, instant("Rows before this instant.")] = "",
    label: Annotated[str, typer.Option(help="Flag of Label that says bad, such as fraud.")] = "",
    false_alarm: Annotated[int, typer.Option(help="Cost of stopping a good row, minor units.")] = 0,
    purpose: Annotated[str, typer.Option(help="Why; the application's own by default.")] = "",
    as_json: Json = False,
) -> None:
    """Decide history by the flow in force and by another; say what would change and what it costs."""
    asked: dict[str, Any] = {"text": _text(file), "name": file.name} if file else {}
    answer(
        "flow.backtest", as_json, _tested, app=app_name, since=since, until=until, label=label,
        false_alarm=false_alarm, purpose=purpose, **asked,
    )  # fmt: skip


def _tested(data: dict[str, Any]) -> None:
    show.say(f"{data['rows']:,} rows, {data['changed']:,} would be decided otherwise")
    show.show_table(data["swaps"], ["was", "would_be", "rows", "bad", "good", "amount"])
    worth = [{"flow": name, **figures} for name, figures in data["worth"].items()]
    show.show_table(worth)
