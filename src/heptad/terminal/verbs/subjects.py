# SPDX-License-Identifier: Apache-2.0
"""Verbs about persons: what is held of them, erasing them, legal holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app

subject = typer.Typer(help="Persons: what is held of them, and erasing it.", no_args_is_help=True)
app.add_typer(subject, name="subject")

Key = Annotated[str, typer.Argument(help="Key of the person: 42, or Customer:42.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in words that do not name the person.")]


@subject.command("show")
def show_subject(key: Key, as_json: Json = False) -> None:
    """Say what is held of a person, and what became of them; no value is shown."""
    answer("subject.show", as_json, _shown, subject=key)


def _shown(data: dict[str, Any]) -> None:
    show.show_facts({n: data[n] for n in ("subject", "state", "erased")})
    show.show_table(data["held"], ["store", "what", "n", "fate", "why"])
    if data["holds"]:
        show.say("[legal holds]")
        show.show_table(data["holds"], ["id", "until", "reason", "who", "binds"])
    if data["erasures"]:
        show.say("[erasures]")
        show.show_table(data["erasures"], ["id", "status", "asked", "ended", "reason", "genuine"])


@subject.command("erase")
def erase(
    keys: Annotated[list[str], typer.Argument(help="Keys of persons: 42, or Customer:42.")],
    reason: Why,
    as_json: Json = False,
) -> None:
    """Erase persons: their keys are destroyed, and nobody can read what was sealed under them.

    What was begun is gone on with after a kill. A legal hold refuses it and says until when.
    """
    answer("subject.erase", as_json, _erased, subjects=keys, reason=reason)


def _erased(data: dict[str, Any]) -> None:
    for one in data["erased"]:
        show.show_facts({"erased": one["subject"], "on": one["ended"], "key epoch": data["epoch"]})
        show.show_table(one["held"], ["store", "what", "n", "fate"])
    show.say("back up now: no backup made before opens with the keys of this epoch")
    if data["uncovered"]:
        show.say("not looked into, as no store answers for it: " + ", ".join(data["uncovered"][:5]))


@subject.command("hold")
def hold(
    key: Key,
    until: Annotated[str, typer.Option(help="When it ends (ISO 8601).")],
    reason: Why,
    as_json: Json = False,
) -> None:
    """Declare a legal hold: the person is not erased until it ends or is released."""
    answer("subject.hold", as_json, show.show_facts, subject=key, until=until, reason=reason)


@subject.command("release")
def release(key: Key, reason: Why, as_json: Json = False) -> None:
    """Release the legal holds that bind a person now."""
    answer("subject.release", as_json, show.show_facts, subject=key, reason=reason)
