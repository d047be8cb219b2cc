# SPDX-License-Identifier: Apache-2.0
"""Verbs about online features."""

from __future__ import annotations

from typing import Annotated

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer
from heptad.terminal.complete import complete_feature
from heptad.terminal.verbs.features import features

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="app.feature, or an application for all of its own.", autocompletion=complete_feature
    ),
]


@features.command("backfill")
def backfill(names: Names = None, as_json: Json = False) -> None:
    """Keep values of features online for every key; all features by default."""
    answer("features.backfill", as_json, show.show_facts, features=names or [])


@features.command("check")
def check(as_json: Json = False) -> None:
    """Say of every feature whether it is kept online, and how far."""
    answer("features.check", as_json, lambda d: show.show_table(d["features"]))


@features.command("online")
def online(
    names: Names,
    key: Annotated[list[str], typer.Option(help="ENTITY=KEY, for example Customer=42.")],
    kept: Annotated[bool, typer.Option("--kept", help="As kept, though it may be late.")] = False,
    purpose: Annotated[str, typer.Option(help="Why you read; service by default.")] = "",
    as_json: Json = False,
) -> None:
    """Read features of one key as of now, each with how fresh it is."""
    from heptad.terminal.commands.online import pairs

    answer(
        "features.online",
        as_json,
        lambda d: show.show_table(d["features"], ["name", "shown", "state", "at"]),
        keys=pairs(key), features=names or [], exact=not kept, purpose=purpose,
    )  # fmt: skip
