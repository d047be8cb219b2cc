# SPDX-License-Identifier: Apache-2.0
"""Verbs about change: upgrade, impact, tables diff; and search."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import CHECK_FAILED, Json, answer, app, session
from heptad.terminal.complete import Table, complete_node
from heptad.terminal.verbs.data import tables

_SHOWN = 20


@app.command()
def upgrade(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change; nothing is opened.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring a project of an earlier release to this one; make a backup first."""
    from heptad.terminal.commands.upgrading import plan
    from heptad.terminal.connect import find_project

    session.json = as_json
    found = plan(find_project(session.project))
    if not dry_run:
        # Opening a project upgrades it, all of it or nothing.
        _open()
    found["applied"] = not dry_run
    if as_json:
        show.show_json(found)
    else:
        _planned(found)
    if dry_run and any(change["breaking"] for change in found["tables"]):
        raise typer.Exit(CHECK_FAILED)


def _open() -> None:
    """Open the project, here or where it is served."""
    from heptad.terminal.cli import ask

    ask("config", session.json)


def _planned(data: dict[str, Any]) -> None:
    show.say(f"made by {data['made_by'] or 'nobody yet'}, this is {data['program']}")
    for step in data["catalog"]:
        show.say(f"catalog {step['revision']}: {step['says']}")
    for change in data["tables"]:
        mark = "breaks" if change["breaking"] else "changes"
        show.say(f"{mark} {change['table']}: {change['says']}")
    if not data["catalog"] and not data["tables"]:
        show.say("nothing has to change")
    elif not data["applied"]:
        show.say("do it: heptad backup FOLDER, then heptad upgrade")


@app.command()
def impact(
    node: Annotated[
        str,
        typer.Argument(help="Payment.amount, fraud.spend_1d …", autocompletion=complete_node),
    ],
    since: Annotated[
        int, typer.Option(help="Number of a load: only what read its rows, or later ones.")
    ] = 0,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Make exactly these decisions again; record nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what one column touched: features, models and each decision."""
    answer("impact", as_json, _touched, node=node, since=since or None, rerun=rerun)


def _touched(data: dict[str, Any]) -> None:
    if data["since_version"] is not None:
        show.say(f"since version {data['since_version']}")
    for name in data["features"]:
        show.say(f"feature {name}")
    for model in data["models"]:
        show.say(f"model {model['model']} ({model['stage']}, {model['app']})")
    for app_name in data["apps"]:
        ids = data["decisions"].get(app_name, [])
        more = " …" if len(ids) > 3 else ""
        show.say(f"app {app_name}: {len(ids):,} decisions {' '.join(ids[:3])}{more}")
    if "rerun" in data:
        _rerun(data["rerun"])


def _rerun(data: dict[str, Any]) -> None:
    differ, left = data["differ"], data["left"]
    show.say(f"made again from what is known today: {data['same']:,} the same "
             f"({data['moved']:,} with other values), {len(differ):,} others, {len(left):,} not made")  # fmt: skip
    show.show_table(differ[:_SHOWN], ["id", "app", "row", "then", "now", "moved"])
    for name, why in list(left.items())[:_SHOWN]:
        show.say(f"{name}: {why}")


@tables.command("diff")
def diff(
    name: Table,
    old: Annotated[int, typer.Argument(metavar="V1", help="A version.")],
    new: Annotated[int, typer.Argument(metavar="V2", help="Another.")],
    limit: Annotated[int, typer.Option(help="Most rows named.")] = _SHOWN,
    as_json: Json = False,
) -> None:
    """Compare two versions: rows, declaration, and what reads the columns that differ."""
    answer("tables.diff", as_json, _differs, name=name, old=old, new=new, limit=limit)


def _differs(data: dict[str, Any]) -> None:
    counts = ", ".join(f"{n:,} {what}" for what, n in data["counts"].items())
    # Nothing is counted where the declaration has other columns than are stored.
    rows = f"{counts} rows" if counts else "no rows are compared"
    show.say(f"{data['table']} {data['from']} → {data['to']}: {rows}")
    for change in data["schema"]:
        show.say(("breaks: " if change["breaking"] else "changes: ") + change["says"])
    for change in data["declared"]:
        mark = "breaks" if change["breaking"] else "changes"
        show.say(f"{mark} with the next load: {change['says']}")
    for column, n in data["columns"].items():
        show.say(f"{column}: differs in {n:,} rows")
    if data["rows"] or not (data["schema"] or data["declared"]):
        show.show_table(data["rows"])
    for touched in data["touches"]:
        reads = [*touched["features"], *touched["models"], *touched["apps"]]
        show.say(f"{touched['column']} is read by {', '.join(reads) or 'nothing'}")


@app.command()
def search(
    text: Annotated[list[str], typer.Argument(help="Words, or a decision's first characters.")],
    limit: Annotated[int, typer.Option(help="Most findings.")] = _SHOWN,
    as_json: Json = False,
) -> None:
    """Search tables, columns, features, models, sources, decisions and the manual."""
    answer("search.text", as_json, _found, text=" ".join(text), limit=limit)


def _found(data: dict[str, Any]) -> None:
    for hit in data["found"]:
        show.say(f"{hit['kind']:<11} {hit['name']}")
        for line in (hit["says"], hit["see"]):
            if line:
                show.say(f"{'':<11} {line}")
    if not data["found"]:
        show.say("nothing found")
