# SPDX-License-Identifier: Apache-2.0
"""Verbs about engines: how features would be computed there, what is installed, what runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app
from heptad.terminal.complete import AppName
from heptad.terminal.verbs.features import features

engine = typer.Typer(help="Engines beside the local one.", no_args_is_help=True)
app.add_typer(engine, name="engine")


@features.command("plan")
def plan_features(
    app_name: AppName,
    feature: Annotated[str, typer.Option(help="One feature; all by default.")] = "",
    engine: Annotated[str, typer.Option(help="local, spark or flink.")] = "local",
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


class Kind(StrEnum):
    """Engines that are installed and run on demand."""

    FLINK = "flink"


Named = Annotated[Kind, typer.Argument(help="The engine.")]


@engine.command("install")
def install(name: Named) -> None:
    """Make an engine's own environment, or go on where it was broken off."""
    from heptad.engine.flink.environment import install

    with show.progress_bar(quiet=False) as progress:
        found = install(progress or (lambda *_: None))
    show.say(f"{name.value} {found.release}: {found.folder}")


@engine.command("status")
def status(name: Named, as_json: Json = False) -> None:
    """Show what is installed and runs: managers, slots, jobs, back-pressure, checkpoints."""
    from heptad.engine.flink.cluster import Cluster
    from heptad.engine.flink.environment import Environment, place

    data: dict[str, Any] = {
        "engine": name.value,
        "installed": Environment(place()).release,
        "folder": str(place()),
    }
    data |= Cluster().status()
    if as_json:
        show.show_json(data)
        return
    show.show_facts({n: v for n, v in data.items() if n not in ("managers", "jobs")})
    for part in ("managers", "jobs"):
        if data[part]:
            show.say("")
            show.show_table(data[part])
    if not data["installed"]:
        show.say("install it: heptad engine install flink")


@engine.command("start")
def start(name: Named) -> None:
    """Start a small cluster on this machine: a JobManager, two TaskManagers of two slots."""
    from heptad.engine.flink.cluster import Cluster

    cluster = Cluster()
    cluster.start()
    show.say(f"{name.value} runs: http://localhost:{cluster.port}")


@engine.command("stop")
def stop(name: Named) -> None:
    """Stop the cluster."""
    from heptad.engine.flink.cluster import Cluster

    Cluster().stop()
    show.say(f"{name.value} stopped")


@engine.command("run")
def run(
    name: Named,
    app_name: AppName,
    to: Annotated[Path, typer.Option(help="Parquet file to write.")],
    purpose: Annotated[str, typer.Option(help="Why you read; service by default.")] = "",
    as_json: Json = False,
) -> None:
    """Compute the features of every stored row of an application's table there."""
    del name
    answer("engine.run", as_json, _ran, app=app_name, to=str(to.resolve()), purpose=purpose)


def _ran(data: dict[str, Any]) -> None:
    show.say(f"{data['rows']:,} rows, {len(data['features'])} features: {data['written']}")
    if data["refused"]:
        show.say("refused:")
        show.show_table(data["refused"])


@app.command("streams")
def streams(as_json: Json = False) -> None:
    """Show what is kept current in memory, how far topics are read and written, what engines ran."""
    answer("streams", as_json, _flows)


def _flows(data: dict[str, Any]) -> None:
    if not data["served"]:
        show.say("streams of features are kept while the project is served: heptad serve")
    for part, columns in _PARTS.items():
        if data[part]:
            show.say(f"{part}:")
            show.show_table([{n: _told(line[n]) for n in columns} for line in data[part]])


def _told(value: Any) -> Any:
    return len(value) if isinstance(value, list) else value


_PARTS = {
    "reels": (
        "app",
        "table",
        "features",
        "state",
        "keys",
        "events",
        "cold_keys",
        "newest",
        "later",
    ),
    "apart": ("app", "why"),
    "sources": ("source", "table", "topic", "state", "load", "when", "accepted"),
    "sinks": ("sink", "topic", "at", "waiting"),
    "jobs": ("run", "engine", "what", "status", "started", "seconds", "rows", "error"),
}
"""What is printed of each part."""
