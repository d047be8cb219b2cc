# SPDX-License-Identifier: Apache-2.0
"""Verbs about backups: backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import CHECK_FAILED, Json, answer, app, instant, session

Backups = Annotated[Path, typer.Argument(help="Folder that holds backups of this project.")]


@app.command()
def backup(
    target: Backups,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Add to the backups there; copy what is new.")
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Share blocks with the project, on the same disk only.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only read every byte of the backups there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Back the project up, also while it is served; the key-encryption key is never in it."""
    if check:
        _check(target, as_json)
        return
    from heptad.terminal.commands.upgrading import saved
    from heptad.terminal.connect import find_project

    session.json, where = as_json, target.absolute()
    project = find_project(session.project)
    if (data := saved(project, where, incremental=incremental, link=link)) is None:
        answer("backup", as_json, _made, target=str(where), incremental=incremental, link=link)
    elif as_json:
        show.show_json(data)
    else:
        _made(data)


def _made(data: dict[str, Any]) -> None:
    show.show_facts({n: v for n, v in data.items() if n != "tables"})
    show.say("keep the file kek apart from it: without it nothing sealed can be opened")


def _check(target: Path, as_json: bool) -> None:
    from heptad.catalog.backup import check

    with show.progress_bar(quiet=as_json) as progress:
        data = check(target.absolute(), progress)
    if as_json:
        show.show_json(data)
    else:
        show.show_facts(data)
    if data["damaged"]:
        raise typer.Exit(CHECK_FAILED)


@app.command()
def restore(
    target: Backups,
    folder: Annotated[
        Path, typer.Argument(help="Where the project is to be; nothing may be there.")
    ],
    to: Annotated[str, instant("As it was stored by this instant (ISO 8601).")] = "",
    kek: Annotated[Path | None, typer.Option(help="The key-encryption key, kept apart.")] = None,
    as_json: Json = False,
) -> None:
    """Make a project from a backup, check every byte of it, and only then give it its name."""
    from heptad.catalog.restoring import restore as restored
    from heptad.standards.time import as_of

    with show.progress_bar(quiet=as_json) as progress:
        data = restored(
            target.absolute(),
            folder.absolute(),
            to=as_of(to),
            kek=kek.absolute() if kek else None,
            progress=progress,
        )
    if as_json:
        show.show_json(data)
    else:
        show.show_facts(data)
        show.say(f"prove it: heptad -p {folder} replay --all")
