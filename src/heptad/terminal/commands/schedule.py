# SPDX-License-Identifier: Apache-2.0
"""Commands about work by the clock: jobs run, what is due, alarms, calendars, runs made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.schedule.slots import dates
from heptad.standards.errors import InputError
from heptad.standards.time import format_instant, from_micros

if TYPE_CHECKING:
    from heptad.catalog.runs import Run
    from heptad.runtime import Platform


def run_job(
    platform: Platform, job: str, date: str = "", until: str = "", calendar: str = ""
) -> dict[str, Any]:
    """Run a job for a date, or for each date of a span; what was run before answers again."""
    today = from_micros(platform.clock.now()).date().isoformat()
    first = date or today
    span = dates(first, until or first, platform.work.calendars.get(calendar))
    return {"job": job, "runs": [_told(platform.work.jobs.run(job, day)) for day in span]}


def run_due(platform: Platform, workers: int = 1) -> dict[str, Any]:
    """Plan what is due by the schedules, and do it."""
    if not 1 <= workers <= 64:
        raise InputError("From 1 to 64 workers work at once.", got=workers)
    done = platform.work.schedules.run_due(workers=workers)
    return {"done": done, "pending": len(platform.work.schedules.pending())}


def show_schedule(platform: Platform) -> dict[str, Any]:
    """Say of each schedule when it is due next and how its slots stand."""
    schedules = platform.work.schedules
    pending = [
        {"schedule": s.schedule, "label": s.label, "status": s.status, "attempts": s.attempts,
         "next": format_instant(s.next), "error": s.error or ""}
        for s in schedules.pending()
    ]  # fmt: skip
    return {
        "schedules": schedules.overview(),
        "pending": pending,
        "alarms": list_alarms(platform)["alarms"],
        "jobs": platform.work.jobs.names(),
    }


def retry_slot(platform: Platform, schedule: str, label: str) -> dict[str, Any]:
    """Let a slot that failed be tried again."""
    platform.work.schedules.retry(schedule, label)
    return {"schedule": schedule, "label": label}


def list_alarms(platform: Platform, limit: int = 100) -> dict[str, Any]:
    """List alarms: what did not come when it was due."""
    return {
        "alarms": [
            {
                "schedule": alarm["name"],
                "label": alarm["label"],
                "says": alarm["says"],
                "raised": format_instant(alarm["raised"]),
                "ended": None if alarm["ended"] is None else format_instant(alarm["ended"]),
            }
            for alarm in platform.work.schedules.alarms(limit)
        ]
    }


def list_calendars(platform: Platform) -> dict[str, Any]:
    """List the calendars that the project has, with their versions."""
    return {
        "calendars": [
            {
                "name": one["name"],
                "version": one["version"],
                "since": format_instant(one["since"]),
                "years": "{}–{}".format(*one["days"]["years"]),
                "holidays": len(one["days"]["holidays"]),
            }
            for one in platform.work.calendars.all()
        ]
    }


def show_calendar(platform: Platform, name: str, year: int = 0) -> dict[str, Any]:
    """Show the days of a calendar in a year."""
    found = platform.work.calendars.get(name)
    chosen = year or from_micros(platform.clock.now()).year
    return {
        "calendar": found.title,
        "year": chosen,
        "holidays": [
            {"day": d.isoformat(), "name": n} for d, n in sorted(found.holidays.items())
            if d.year == chosen
        ],
        "worked": sorted(d.isoformat() for d in found.working if d.year == chosen),
        "written": found.written(),
    }  # fmt: skip


def renew_calendar(
    platform: Platform, name: str, days: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Keep the days of a calendar anew: as the library has them, or as they are given."""
    calendars = platform.work.calendars
    made = calendars.keep(name, days) if days is not None else calendars.renew(name)
    return {"calendar": made.title, "years": list(made.years)}


def run_again(platform: Platform, node: str, since: int, do: bool = False) -> dict[str, Any]:
    """Name exactly the runs and decisions that a corrected column touched; make the runs again.

    Args:
        platform: the open project.
        node: the column, `Payment.amount`.
        since: the load that corrected it.
        do: run the jobs again; decisions are compared with `heptad impact --rerun`.
    """
    from heptad.service.decisions.impact import touched
    from heptad.service.schedule.jobs import AGAIN

    load = platform.catalog.loads.get(since)
    made = platform.catalog.versions.of_load(since)
    platform.catalog.lineage.downstream(node)
    if made is None or load.table != node.partition(".")[0]:
        raise InputError(f"Load {since} brought no rows into that table.", got=load.table)
    runs = platform.work.jobs.touched(load.table, made.version)
    again = [platform.work.jobs.run(r.job, r.date, f"{AGAIN}{since}") for r in runs] if do else []
    decisions = touched(platform.log, platform.catalog, node).decisions
    return {
        "node": node,
        "version": made.version,
        "runs": [_told(run) for run in runs],
        "again": [_told(run) for run in again],
        "decisions": {app: len(ids) for app, ids in decisions.items()},
    }


def _told(run: Run) -> dict[str, Any]:
    return {
        "run": run.id, "job": run.job, "date": run.date, "status": run.status,
        "attempt": run.attempt, "result": run.result,
    }  # fmt: skip
