# SPDX-License-Identifier: Apache-2.0
"""Verbs about persons: what is held of them, erasing them, legal holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app, ask, instant

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
        show.show_table([*one["held"], *one["left"]], ["store", "what", "n", "fate"])
        for left in one["left"]:
            show.say(f"{left['store']}: {left['why']}")
    show.say("back up now, and destroy copies of the key-encryption key: no backup made before opens "
             "with the keys of this epoch, but with a copy of before it does")  # fmt: skip
    if data["uncovered"]:
        show.say("not looked into, as no store answers for it: " + ", ".join(data["uncovered"][:5]))


@subject.command("hold")
def hold(
    key: Key,
    until: Annotated[str, instant("When it ends (ISO 8601).")],
    reason: Why,
    as_json: Json = False,
) -> None:
    """Declare a legal hold: the person is not erased until it ends or is released."""
    answer("subject.hold", as_json, show.show_facts, subject=key, until=until, reason=reason)


@subject.command("release")
def release(key: Key, reason: Why, as_json: Json = False) -> None:
    """Release the legal holds that bind a person now."""
    answer("subject.release", as_json, show.show_facts, subject=key, reason=reason)


@subject.command("revive")
def revive(key: Key, reason: Why, as_json: Json = False) -> None:
    """Let an erased person come back; what was erased stays unreadable.

    Rows about them are taken from then on; `heptad quarantine retry` tries again those refused.
    """
    answer("subject.revive", as_json, show.show_facts, subject=key, reason=reason)


@subject.command("report")
def report(
    key: Key,
    html: Annotated[bool, typer.Option("--html", help="As a page for the person.")] = False,
    as_json: Json = False,
) -> None:
    """Report to a person what is held of them, from where, who read it and on what basis."""
    if html:
        from heptad.service.subjects.report import page

        show.write(page(ask("subject.report", False, subject=key)) + "\n", None)
        return
    answer("subject.report", as_json, _reported, subject=key)


def _reported(data: dict[str, Any]) -> None:
    show.show_facts({n: data[n] for n in ("subject", "state", "made", "regime", "answer_by")})
    show.show_table(data["held"], ["store", "what", "n", "fate"])
    listed = [t | {"rows": len(t["rows"]), "from": ", ".join(t["from"])} for t in data["tables"]]
    show.show_table(listed, ["table", "rows", "from", "since", "kept", "rule"])
    show.show_table(data["purposes"], ["purpose", "grounds", "you_may_end_it", "rule"])
    show.say(f"{len(data['decisions'])} decisions, {len(data['messages'])} messages, "
             f"{len(data['cases'])} cases, {len(data['reads'])} reads: --json or --html has them whole")  # fmt: skip


@app.command("regime")
def regime(as_json: Json = False) -> None:
    """Show what the law that the project chose asks, with where each rule is written."""
    answer("regime", as_json, _regime)


def _regime(data: dict[str, Any]) -> None:
    show.show_facts({n: data[n] for n in ("regime", "title", "as_of", "report_days")})
    show.show_table(data["rules"], ["id", "cites", "says"])
    show.show_table(data["bases"], ["purpose", "basis", "rule"])
    show.show_table(data["retention"], ["group", "days", "after", "rule"])


@app.command("letter")
def letter(
    decision: Annotated[str, typer.Argument(help="Id of the decision, or its first letters.")],
    as_json: Json = False,
) -> None:
    """Write the letter with the reasons of a refusal, in the form that the law asks for."""
    answer("letter", as_json, _letter, decision=decision)


def _letter(data: dict[str, Any]) -> None:
    show.say(data["title"])
    show.say("")
    show.say(data["text"])
    show.say(f"\nto be sent by {data['due'][:10]} ({data['rule']})")
