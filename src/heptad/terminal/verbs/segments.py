# SPDX-License-Identifier: Apache-2.0
"""Verbs about segments: which there are, who is in one, declare one, put one on a list."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from heptad.standards.errors import InputError
from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app, instant

segments = typer.Typer(
    help="Customers who belong together, by one condition.", invoke_without_command=True
)
app.add_typer(segments, name="segments")

Name = Annotated[str, typer.Argument(help="Name of the segment.")]
Purpose = Annotated[str, typer.Option(help="Why they are read; service by default.")]


@segments.callback(invoke_without_command=True)
def _segments(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        columns = ["segment", "version", "purpose", "says", "who", "at"]
        answer("segments.list", as_json, lambda d: show.show_table(d["segments"], columns))


@segments.command("count")
def count(
    name: Annotated[str, typer.Argument(help="A declared segment.")] = "",
    when: Annotated[str, typer.Option(help="Or a condition, as rules write it, JSON.")] = "",
    at: Annotated[str, instant("As of an instant; now by default.")] = "",
    purpose: Purpose = "",
    as_json: Json = False,
) -> None:
    """Count who is in a segment, or who would be by a condition."""
    if bool(name) == bool(when):
        raise InputError("Name a segment, or give a condition.", do="see `heptad segments`")
    more = {"when": _read(when)} if when else {"name": name}
    answer("segments.try", as_json, _counted, at=at, purpose=purpose, **more)


def _counted(data: dict[str, Any]) -> None:
    share = data["members"] / max(data["looked"], 1)
    estimated = "" if data["looked"] == data["of"] else f", of {data['looked']:,} looked at"
    show.say(f"{data['members']:,} of {data['of']:,} customers ({share:.1%}{estimated})")
    show.say(data["says"])


@segments.command("declare")
def declare(
    name: Name,
    when: Annotated[str, typer.Argument(help="The condition, as rules write it, JSON.")],
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    purpose: Purpose = "",
    as_json: Json = False,
) -> None:
    """Keep a condition as a segment; a changed one is a further version."""
    asked = {"name": name, "when": _read(when), "note": note, "purpose": purpose}
    answer("segments.declare", as_json, show.show_facts, **asked)


@segments.command("list")
def put(
    name: Name,
    kind: Annotated[str, typer.Option(help="allow, deny or watch.")] = "watch",
    days: Annotated[int, typer.Option(help="How long the entries last.")] = 30,
    as_json: Json = False,
) -> None:
    """Put all who are in a segment now on the list of its name, which flows ask for."""
    answer("segments.put", as_json, show.show_facts, name=name, kind=kind, days=days)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError("The condition is no JSON.", got=str(error)) from None
