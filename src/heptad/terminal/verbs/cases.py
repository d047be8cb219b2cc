# SPDX-License-Identifier: Apache-2.0
"""Verbs about cases and messages: what people work on, and what people are told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app

cases = typer.Typer(help="Cases: what people work on.", invoke_without_command=True)
outbox = typer.Typer(help="Messages: sent, or why not.", invoke_without_command=True)
app.add_typer(cases, name="cases")
app.add_typer(outbox, name="outbox")

CaseName = Annotated[str, typer.Argument(help="Id of the case.")]
Who = Annotated[str, typer.Option("--who", envvar="HEPTAD_USER", help="Who does it.")]
Role = Annotated[str, typer.Option("--role", envvar="HEPTAD_ROLE", help="In which role.")]
CASE = ["case", "app", "inbox", "subject", "status", "assignee", "due", "level", "outcome"]
MESSAGE = ["message", "app", "letter", "subject", "channel", "status", "why"]


@cases.callback(invoke_without_command=True)
def _cases(
    context: typer.Context,
    app_name: Annotated[str, typer.Option("--app", help="One application.")] = "",
    status: Annotated[str, typer.Option(help="open, working, waiting or closed.")] = "",
    as_json: Json = False,
) -> None:
    if context.invoked_subcommand is None:
        answer("cases.list", as_json, lambda d: show.show_table(d["cases"], CASE),
               app=app_name, status=status)  # fmt: skip


@cases.command("show")
def show_case(case: CaseName, as_json: Json = False) -> None:
    """Show a case whole: decisions, documents, every step."""
    answer("cases.show", as_json, _case, case=case)


def _case(data: dict[str, Any]) -> None:
    facts = ["case", "title", "subject", "status", "assignee", "due", "calendar", "revision",
             "proposed", "proposer", "outcome"]  # fmt: skip
    show.show_facts({n: data[n] for n in facts})
    show.show_table(data["decisions"], ["id", "on", "when", "outcome", "why"])
    if data["documents"]:
        show.show_table(data["documents"], ["id", "name", "kind", "size", "sha256"])
    show.show_table(data["events"], ["at", "who", "action", "text"])


@cases.command("assign")
def assign(
    case: CaseName,
    to: Annotated[str, typer.Argument(help="Whom it is given to; nobody if left out.")] = "",
    who: Who = "",
    role: Role = "",
    as_json: Json = False,
) -> None:
    """Give a case to somebody, or back to the inbox."""
    _step(as_json, case, "assign", who, role, to=to)


@cases.command("note")
def note(
    case: CaseName,
    text: Annotated[str, typer.Argument(help="What is to be known.")],
    who: Who = "",
    role: Role = "",
    as_json: Json = False,
) -> None:
    """Write something down about a case."""
    _step(as_json, case, "note", who, role, text=text)


@cases.command("propose")
def propose(
    case: CaseName,
    outcome: Annotated[str, typer.Argument(help="What it comes to.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    who: Who = "",
    role: Role = "",
    as_json: Json = False,
) -> None:
    """Say what a case comes to; an override needs somebody else's yes."""
    _step(as_json, case, "propose", who, role, outcome=outcome, text=reason)


@cases.command("agree")
def agree(
    case: CaseName,
    revision: Annotated[int, typer.Option(help="The revision that you looked at.")],
    who: Who = "",
    role: Role = "",
    as_json: Json = False,
) -> None:
    """Agree to what somebody else proposed."""
    _step(as_json, case, "agree", who, role, revision=revision)


@cases.command("reject")
def reject(
    case: CaseName,
    reason: Annotated[str, typer.Option(help="Why.")],
    who: Who = "",
    role: Role = "",
    as_json: Json = False,
) -> None:
    """Do not agree to what was proposed."""
    _step(as_json, case, "reject", who, role, text=reason)


@cases.command("attach")
def attach(
    case: CaseName,
    file: Annotated[Path, typer.Argument(help="PDF, PNG, JPEG, TIFF or plain text.")],
    who: Who = "",
    role: Role = "",
    as_json: Json = False,
) -> None:
    """Put a document to a case; it is checked, hashed and sealed."""
    answer("cases.attach", as_json, show.show_facts,
           case=case, path=str(file.resolve()), who=who, role=role)  # fmt: skip


def _step(as_json: bool, case: str, action: str, who: str, role: str, **more: Any) -> None:
    answer("cases.step", as_json, show.show_facts,
           case=case, action=action, who=who, role=role, **more)  # fmt: skip


@outbox.callback(invoke_without_command=True)
def _outbox(
    context: typer.Context,
    app_name: Annotated[str, typer.Option("--app", help="One application.")] = "",
    status: Annotated[str, typer.Option(help="waiting, sent, skipped, uncertain, dead, …")] = "",
    subject: Annotated[str, typer.Option(help="One person, Customer:42.")] = "",
    as_json: Json = False,
) -> None:
    if context.invoked_subcommand is None:
        answer("outbox.list", as_json, lambda d: show.show_table(d["messages"], MESSAGE),
               app=app_name, status=status, subject=subject)  # fmt: skip


Message = Annotated[str, typer.Argument(help="Id of the message.")]


@outbox.command("show")
def show_message(message: Message, as_json: Json = False) -> None:
    """Show a message: what it says, and what was said of it."""
    answer("outbox.show", as_json, show.show_facts, message=message)


@outbox.command("send")
def send(
    most: Annotated[int, typer.Option(help="At most so many; 0 for all that are due.")] = 0,
    as_json: Json = False,
) -> None:
    """Send what is due and may be sent."""
    answer("outbox.send", as_json, lambda d: show.show_facts(d["came_to"] or {"sent": 0}),
           most=most or None)  # fmt: skip


@outbox.command("stop")
def stop(
    scope: Annotated[str, typer.Argument(help="all, app:NAME, provider:NAME or purpose:NAME.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Stop sending, now and until it is let go on."""
    answer("outbox.stop", as_json, _stops, scope=scope, reason=reason, who=who)


@outbox.command("go-on")
def go_on(
    scope: Annotated[str, typer.Argument(help="What was stopped.")], as_json: Json = False
) -> None:
    """Let what was stopped be sent again."""
    answer("outbox.go_on", as_json, _stops, scope=scope)


@outbox.command("stops")
def stops(as_json: Json = False) -> None:
    """Say what is stopped, by whom and why."""
    answer("outbox.stops", as_json, _stops)


def _stops(data: dict[str, Any]) -> None:
    show.show_table(data["stops"], ["scope", "since", "who", "why"])


@outbox.command("resolve")
def resolve(
    message: Message,
    arrived: Annotated[bool, typer.Option("--arrived/--lost", help="Whether it arrived.")],
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Say of an uncertain message whether it arrived; a lost one is sent again."""
    answer("outbox.resolve", as_json, show.show_facts, message=message, arrived=arrived, who=who)


@outbox.command("suppress")
def suppress(
    person: Annotated[str, typer.Argument(help="Key of the person.")],
    of: Annotated[str, typer.Option("--purpose", help="For one purpose; for all by default.")] = "",
    allow: Annotated[bool, typer.Option("--allow", help="Let it be again, as they ask.")] = False,
    as_json: Json = False,
) -> None:
    """Let nobody write to a person any more."""
    columns = ["subject", "channel", "purpose", "reason", "since"]
    answer("outbox.suppress", as_json, lambda d: show.show_table(d["suppressions"], columns),
           subject=person, of=of, allow=allow)  # fmt: skip
