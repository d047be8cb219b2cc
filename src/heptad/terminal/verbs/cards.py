# SPDX-License-Identifier: Apache-2.0
"""Verbs about scorecards: the report to be signed, and what another bin or cut-off would change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app
from heptad.terminal.complete import AppName

card = typer.Typer(help="Scorecards: report, bins, swap sets.", no_args_is_help=True)
app.add_typer(card, name="card")

Number = Annotated[int, typer.Option(help="Number of the model; the one in use by default.")]


@card.command("report")
def report(
    app_name: AppName,
    number: Number = 0,
    out: Annotated[Path | None, typer.Option(help="File to be written, HTML.")] = None,
    as_json: Json = False,
) -> None:
    """Write the validation report of a scorecard: one page, to be printed and signed."""
    answer("card.report", as_json, lambda d: show.write(d["html"], out),
           app=app_name, number=number)  # fmt: skip


@card.command("bins")
def bins(
    app_name: AppName,
    name: Annotated[str, typer.Argument(help="Input whose bins are looked at or merged.")] = "",
    merge: Annotated[
        list[int] | None, typer.Option(help="Bin to be merged with the others named.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why they are merged.")] = "",
    by: Annotated[str, typer.Option("--who", envvar="HEPTAD_USER", help="Who merges.")] = "",
    cut: Annotated[int | None, typer.Option(help="Another least score that is approved.")] = None,
    number: Number = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the card as a candidate.")] = False,
    as_json: Json = False,
) -> None:
    """Show bins, and say what merging some or another cut-off would change."""
    answer("card.bins", as_json, _tried, app=app_name, input=name, bins=merge or [], reason=reason,
           by=by, cut=cut, number=number, keep=keep)  # fmt: skip


def _tried(data: dict[str, Any]) -> None:
    if data["input"]:
        show.show_table(data["would_be"])
    rows = [
        {"figure": name, "now": data[name][0], "would be": data[name][1]}
        for name in ("cut", "approved", "bad_rate", "auc", "expected_loss") if name in data
    ]  # fmt: skip
    show.show_table(rows)
    show.show_table(data["swaps"])
    if data["kept"]:
        show.say(
            f"kept as candidate; let somebody else approve it: heptad models approve {data['kept']} "
            "--who NAME --note WHY"
        )
