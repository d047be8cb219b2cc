# SPDX-License-Identifier: Apache-2.0
"""Verbs about engines: how features would be computed there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer
from heptad.terminal.complete import AppName
from heptad.terminal.verbs.features import features


@features.command("plan")
def plan_features(
    app_name: AppName,
    feature: Annotated[str, typer.Option(help="One feature; all by default.")] = "",
    engine: Annotated[str, typer.Option(help="local or spark.")] = "local",
    svg: Annotated[
        Path | None, typer.Option(help="Folder to draw the pictures into, one per query.")
    ] = None,
    mermaid: Annotated[bool, typer.Option(help="Print Mermaid instead of text.")] = False,
    as_json: Json = False,
) -> None:
    """Show how an engine would compute features: its stages, and where rows move between them."""
    data = answer(
        "features.plan",
        as_json,
        lambda d: _planned(d, "mermaid" if mermaid else "text"),
        app=app_name, feature=feature, engine=engine,
    )  # fmt: skip
    if svg is not None:
        _draw(data, svg)


def _planned(data: dict[str, Any], form: str) -> None:
    for n, query in enumerate(data["queries"], 1):
        if n > 1:
            show.say("")
        counts = (
            f": {query['stages']} stages, {query['shuffles']} shuffles" if "stages" in query else ""
        )
        show.say(f"query {n}{counts}, for {', '.join(query['features'])}")
        show.say(query.get(form, query["text"]))


def _draw(data: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n, query in enumerate(data["queries"], 1):
        if "svg" in query:
            place = folder / f"{data['app']}-{n}.svg"
            place.write_text(query["svg"], encoding="utf-8")
            show.say(f"drawn: {place}", error=True)
