# SPDX-License-Identifier: Apache-2.0
"""Verbs about work by the clock: run, runs, schedule, alarms, calendars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from heptad.standards.errors import InputError
from heptad.terminal import show
from heptad.terminal.cli import Json, answer, app, instant

schedule = typer.Typer(help="What is due, and what did not come.", invoke_without_command=True)
calendars = typer.Typer(help="Business days, in versions.", invoke_without_command=True)
app.add_typer(schedule, name="schedule")
app.add_typer(calendars, name="calendars")

RUN = ["run", "job", "date", "status", "attempt", "result"]


@app.command("run")
def run(
    job: Annotated[
        str, typer.Argument(help="app.job, load:SOURCE, decide:APP, outbox, cases.")
    ] = "",
    date: Annotated[str, typer.Argument(help="What it is for, YYYY-MM-DD; today by default.")] = "",
    until: Annotated[str, instant("Last date of a back-fill.")] = "",
    calendar: Annotated[str, typer.Option(help="Only its business days, for example ECB.")] = "",
    due: Annotated[
        bool, typer.Option("--due", help="Do all that is due by the schedules.")
    ] = False,
    workers: Annotated[int, typer.Option(help="How much at once, with --due.")] = 1,
    as_json: Json = False,
) -> None:
    """Run a job once for a date, for each date of a span, or all that is due."""
    if due == bool(job):
        raise InputError("Name a job, or say --due.", do="see `heptad schedule`")
    if due:
        answer("run.due", as_json, _due, workers=workers)
    else:
        more = {"date": date, "until": until, "calendar": calendar}
        answer("run", as_json, lambda d: show.show_table(d["runs"], RUN), job=job, **more)


def _due(data: dict[str, Any]) -> None:
    show.show_table(data["done"], ["schedule", "label", "status", "run", "error"])
    show.say(f"{data['pending']} left that wait or failed: see `heptad schedule`")


@app.command("publish")
def publish(
    sink: Annotated[str, typer.Argument(help="A [[sink]]; all by default.")] = "",
    as_json: Json = False,
) -> None:
    """Send decisions that were made since to the topics of the project file."""
    columns = ["sink", "looked_at", "sent", "waiting"]
    answer("publish", as_json, lambda d: show.show_table(d["sinks"], columns), sink=sink)


@app.command("rerun")
def rerun(
    node: Annotated[str, typer.Argument(help="The column that was corrected: Payment.amount.")],
    since: Annotated[int, typer.Option(help="The load that corrected it.")],
    do: Annotated[bool, typer.Option("--do", help="Make these runs again.")] = False,
    as_json: Json = False,
) -> None:
    """Name the runs that a corrected column touched, and make exactly these again."""
    answer("run.again", as_json, _again, node=node, since=since, do=do)


def _again(data: dict[str, Any]) -> None:
    show.show_table(data["again"] or data["runs"], RUN)
    decided = sum(data["decisions"].values())
    show.say(
        f"{decided} decisions read it: compare them with `heptad impact {data['node']} --rerun`"
    )


@app.command("runs")
def runs(limit: Annotated[int, typer.Option(help="How many.")] = 50, as_json: Json = False) -> None:
    """List the runs of jobs, the last one first."""
    columns = ["run", "job", "date", "status", "attempt", "started", "seconds", "error"]
    answer("runs", as_json, lambda d: show.show_table(d["runs"], columns), limit=limit)


@schedule.callback(invoke_without_command=True)
def _schedule(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        answer("schedule", as_json, _shown)


def _shown(data: dict[str, Any]) -> None:
    columns = ["name", "job", "when", "zone", "calendar", "next", "due", "done", "failed"]
    show.show_table(data["schedules"], columns)
    if data["pending"]:
        show.say("[not done]")
        show.show_table(
            data["pending"], ["schedule", "label", "status", "attempts", "next", "error"]
        )
    if data["alarms"]:
        show.say("[alarms]")
        show.show_table(data["alarms"], ["schedule", "label", "says", "raised", "ended"])
    if not data["schedules"]:
        show.say("nothing is scheduled: write [[schedule]] into heptad.toml")
        show.say("jobs: " + ", ".join(data["jobs"]))


@schedule.command("retry")
def retry(
    name: Annotated[str, typer.Argument(help="Name of the schedule.")],
    label: Annotated[
        str, typer.Argument(help="The time that failed, as `heptad schedule` says it.")
    ],
    as_json: Json = False,
) -> None:
    """Let a time that failed be tried again."""
    answer("schedule.retry", as_json, show.show_facts, schedule=name, label=label)


@app.command("alarms")
def alarms(as_json: Json = False) -> None:
    """List what did not come when it was due."""
    columns = ["schedule", "label", "says", "raised", "ended"]
    answer("alarms", as_json, lambda d: show.show_table(d["alarms"], columns))


@calendars.callback(invoke_without_command=True)
def _calendars(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        columns = ["name", "version", "since", "years", "holidays"]
        answer("calendars", as_json, lambda d: show.show_table(d["calendars"], columns))


@calendars.command("show")
def show_calendar(
    name: Annotated[str, typer.Argument(help="ECB, CN, US, ES, …")],
    year: Annotated[int, typer.Option(help="This one by default.")] = 0,
    written: Annotated[
        bool, typer.Option("--written", help="As a line for `calendars` of a rule set or flow.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the free days of a calendar, and the weekend days that are worked."""
    told = (lambda d: show.write(d["written"] + "\n", None)) if written else _days
    answer("calendars.show", as_json, told, name=name, year=year)


def _days(data: dict[str, Any]) -> None:
    show.show_facts({"calendar": data["calendar"], "year": data["year"]})
    show.show_table(data["holidays"], ["day", "name"])
    if data["worked"]:
        show.say("worked all the same: " + ", ".join(data["worked"]))


@calendars.command("renew")
def renew_calendar(
    name: Annotated[str, typer.Argument(help="ECB, CN, or a name of your own.")],
    file: Annotated[Path | None, typer.Option("--from", help="Your own days, JSON.")] = None,
    as_json: Json = False,
) -> None:
    """Keep the days of a calendar anew, as a version of its own: the library's, or yours."""
    days = None
    if file is not None:
        try:
            days = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError("The days are a JSON file.", got=str(file)) from error
    answer("calendars.renew", as_json, show.show_facts, name=name, days=days)
