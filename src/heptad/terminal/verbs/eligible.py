# SPDX-License-Identifier: Apache-2.0
"""The verb that says which products a person may be offered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.standards.errors import InputError
from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app


@app.command()
def eligible(
    file: Annotated[Path, typer.Argument(help="Terms of the products, YAML.")],
    customer: Annotated[str, typer.Option(help="Key of the customer.")],
    profile: Annotated[str, typer.Option(help="Risk class that the profile bears, R1 to R5.")] = "",
    licence: Annotated[
        list[str] | None, typer.Option(help="What is licensed where, ES:funds.")
    ] = None,
    purpose: Annotated[str, typer.Option(help="Why you read; service by default.")] = "",
    as_json: Json = False,
) -> None:
    """Say which products a customer may be offered, and why not the others."""
    held: dict[str, list[str]] = {}
    for one in licence or []:
        country, colon, what = one.partition(":")
        if not (country and colon and what):
            raise InputError("A licence is COUNTRY:WHAT.", got=one, do="write --licence ES:funds")
        held.setdefault(country, []).append(what)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("The file cannot be read.", got=str(error), place=str(file)) from None
    answer("eligible", as_json, _judged, text=text, name=file.name, customer=customer,
           profile=profile, licences=held, purpose=purpose or None)  # fmt: skip


def _judged(data: dict[str, Any]) -> None:
    show.say(f"may be offered: {', '.join(data['admitted']) or 'nothing'}")
    show.show_table(
        [
            {"product": e["product"], "why not": e["code"],
             "numbers": ", ".join(f"{n} {v}" for n, v in e["numbers"].items())}
            for e in data["excluded"]
        ]
    )  # fmt: skip
