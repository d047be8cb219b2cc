# SPDX-License-Identifier: Apache-2.0
"""Verbs about features and models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app, instant
from heptad.terminal.complete import AppName, AppOption, complete_feature

features = typer.Typer(help="Features: one definition each.", invoke_without_command=True)
models = typer.Typer(help="Models: trained, approved, in use.", invoke_without_command=True)
app.add_typer(features, name="features")
app.add_typer(models, name="models")


@features.callback(invoke_without_command=True)
def _features(
    context: typer.Context,
    app_name: AppOption = "",
    as_json: Json = False,
) -> None:
    if context.invoked_subcommand is None:
        columns = ["name", "by", "what", "unit"]
        answer(
            "features.list",
            as_json,
            lambda d: show.show_table(d["features"], columns),
            app=app_name,
        )


@features.command("list")
def list_features(app_name: AppOption = "", as_json: Json = False) -> None:
    """List features: what each answers, its version and since when, how many it has had."""
    columns = ["name", "by", "what", "unit", "version", "since", "versions"]
    answer("features.list", as_json, lambda d: show.show_table(d["features"], columns),
           app=app_name)  # fmt: skip


@features.command("history")
def history(
    spine: Annotated[Path, typer.Argument(help="CSV or Parquet: keys, event_time, known_time.")],
    names: Annotated[
        list[str],
        typer.Argument(help="app.feature, or an application.", autocompletion=complete_feature),
    ],
    to: Annotated[Path, typer.Option(help="File to be written, .csv or .parquet.")],
    engine: Annotated[str, typer.Option(help="local or spark.")] = "local",
    purpose: Annotated[str, typer.Option(help="Why you read; service by default.")] = "",
    as_json: Json = False,
) -> None:
    """Compute features for the rows of a file, each as of its own instant and as known then."""
    answer(
        "features.history", as_json, _written,
        spine=str(spine.resolve()), features=names, to=str(to.resolve()), engine=engine,
        purpose=purpose,
    )  # fmt: skip


def _written(data: dict[str, Any]) -> None:
    show.say(f"{data['rows']:,} rows, {len(data['features'])} features: {data['written']}")


@features.command("page")
def page(app_name: AppOption = "", as_json: Json = False) -> None:
    """Print the reference page of features as Markdown, made from their declarations."""
    answer("features.page", as_json, lambda d: show.say(d["markdown"]), app=app_name)


@features.command("show")
def show_feature(
    name: Annotated[str, typer.Argument(help="app.feature", autocompletion=complete_feature)],
    as_json: Json = False,
) -> None:
    """Show the definition of a feature and who reads it."""
    answer("features.show", as_json, _feature, name=name)


def _feature(data: dict[str, Any]) -> None:
    import json

    show.show_facts({n: v for n, v in data.items() if n not in ("definition", "versions")})
    show.say(f"definition  {json.dumps(data['definition'])}")
    show.show_table(data["versions"], ["version", "since", "what"])


@features.command("read")
def read_features(
    app_name: AppName,
    key: Annotated[str, typer.Argument(help="Key, for example a customer's number.")],
    t: Annotated[str, instant("As of this instant (ISO 8601).", "--t")] = "",
    k: Annotated[str, instant("As known at this instant.", "--k")] = "",
    entity: Annotated[str, typer.Option(help="What the key names, for example Merchant.")] = "",
    purpose: Annotated[str, typer.Option(help="Why you read; service by default.")] = "",
    as_json: Json = False,
) -> None:
    """Read the features of one key as of an instant, now by default."""
    answer(
        "features.read",
        as_json,
        lambda d: show.show_table(d["features"], ["name", "shown", "what"]),
        app=app_name, key=key, t=t, k=k, entity=entity, purpose=purpose,
    )  # fmt: skip


@app.command()
def train(
    app_name: AppName,
    until: Annotated[str, instant("Rows before this instant.")] = "",
    known: Annotated[str, instant("Labels known by this instant.")] = "",
    seed: Annotated[int, typer.Option(help="Of everything drawn.")] = 0,
    trainer: Annotated[str, typer.Option(envvar="HEPTAD_USER", help="Who trains.")] = "trainer",
    crosses: Annotated[int, typer.Option(help="Most crossed features to find.")] = 0,
    as_json: Json = False,
) -> None:
    """Train an application's model and judge it on later rows; somebody else approves it."""
    answer(
        "train",
        as_json,
        _trained,
        app=app_name,
        until=until,
        known=known,
        seed=seed,
        trainer=trainer,
        crosses=crosses,
    )


def _trained(data: dict[str, Any]) -> None:
    show.say(
        f"model {data['model']}: candidate, {data['rows']:,} rows, {data['held_out']:,} held out"
    )
    show.show_table(data["metrics"])
    show.say(
        f"let somebody else approve it: heptad models approve {data['number']} --who NAME --note WHY"
    )


@models.callback(invoke_without_command=True)
def _models(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        answer("models.list", as_json, lambda d: show.show_table(d["models"]))


@models.command("approve")
def approve(
    number: Annotated[int, typer.Argument(help="Number of the model.")],
    who: Annotated[str, typer.Option(envvar="HEPTAD_USER", help="Who approves.")],
    note: Annotated[str, typer.Option(help="Why.")],
    as_json: Json = False,
) -> None:
    """Approve a model that somebody else trained, and let it decide from now on."""
    answer("models.approve", as_json, show.show_facts, number=number, who=who, note=note)


@models.command("challenge")
def challenge(
    number: Annotated[int, typer.Argument(help="Number of the model.")],
    who: Annotated[str, typer.Option(envvar="HEPTAD_USER", help="Who approves.")],
    note: Annotated[str, typer.Option(help="Why.")],
    as_json: Json = False,
) -> None:
    """Approve a model that somebody else trained, to be tried beside the one that decides."""
    answer("models.challenge", as_json, show.show_facts, number=number, who=who, note=note)
