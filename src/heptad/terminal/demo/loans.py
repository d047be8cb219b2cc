# SPDX-License-Identifier: Apache-2.0
"""Loans while they run: the simulated book's vintages, a diverted loan traced, today's calls."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from heptad.sources.bank.lending import SINKS
from heptad.standards.time import day, format_instant
from heptad.terminal import show
from heptad.terminal.commands.pagerows import table_rows

if TYPE_CHECKING:
    from heptad.runtime import Platform

JOBS = ("loans", "funds", "collections")
_OLD = 6
"""Months after which a cohort is quoted."""


def show_loans(platform: Platform, end: int) -> None:
    """Close the last day of the history, and print what it brought.

    Args:
        platform: the project of the simulated bank.
        end: first instant after the history.
    """
    on = format_instant(end - day)[:10]
    _forbid(platform)
    for job in JOBS:
        platform.work.jobs.run(f"credit.{job}", on)
    show.say("")
    show.say(f"LOANS WHILE THEY RUN, at the end of {on}")
    _book(platform)
    _vintage(platform)
    _diverted(platform)
    _plan(platform)


def _forbid(platform: Platform) -> None:
    """List the accounts of the simulated bank where borrowed money must not go."""
    rows = [
        {"id": f"forbidden-{n}", "event_time": "2025-01-01T00:00:00Z", "list": "use:forbidden",
         "kind": "deny", "until": "2099-01-01T00:00:00Z", "account": f"K{n:09d}"}
        for n in range(SINKS)
    ]  # fmt: skip
    platform.store("Listing", rows, source="demo-lists")


def _rows(platform: Platform, table: str, **where: Any) -> list[dict[str, Any]]:
    return table_rows(platform, table, limit="100000", latest="yes", **where)


def _book(platform: Platform) -> None:
    """How many loans stand in which stage, and what they are expected to lose."""
    rows = _rows(platform, "LoanDay")
    stages = Counter(row["stage"] for row in rows)
    owed, loss = (sum(row[name] for row in rows) for name in ("balance", "loss"))
    show.say(
        f" book    {len(rows):,} loans owe {owed:,.0f} EUR; stages {stages[1]:,} / {stages[2]:,} / "
        f"{stages[3]:,}; expected loss {loss:,.0f} EUR   heptad apps credit book"
    )


def _vintage(platform: Platform) -> None:
    """The oldest cohort that is old enough, and the latest: ever more than 30 days late."""
    rows = _rows(platform, "LoanFigure", report="vintage_30+")
    told = sorted((r["series"], r["value"], r["n"]) for r in rows if r["at"] == f"{_OLD:03d}")
    for cohort, share, n in told[:1] + told[1:][-1:]:
        show.say(
            f" vintage {cohort}  {share:.1%} of {n:,} loans were ever more than 30 days late "
            f"{_OLD} months on"
        )


def _diverted(platform: Platform) -> None:
    """One loan that was spent where it must not be, with the transfers that show it."""
    rows = _rows(platform, "FundsUse", method="proportional")
    found = [row for row in rows if row["diverted"]]
    show.say(f" funds   {len(rows):,} loans of 90 days followed, {len(found):,} diverted")
    for row in sorted(found, key=lambda r: (-r["forbidden"], r["loan"]))[:1]:
        bad = [s for s in str(row["path"]).split("; ") if "→ K" in s]
        show.say(
            f"         {row['loan']}  {row['forbidden']:,.2f} of {row['lent']:,.2f} EUR: {bad[0]}"
            f"   heptad apps credit loan {row['loan']}"
        )


def _plan(platform: Platform) -> None:
    """What is done today about the late."""
    rows = _rows(platform, "CollectionAction")
    done = Counter(row["action"] for row in rows)
    gain = sum(row["gain"] for row in rows)
    show.say(
        f" plan    {len(rows):,} late loans: {done['call']:,} calls, {done['letter']:,} letters, "
        f"{done['message']:,} messages, worth {gain:,.0f} EUR   heptad apps credit collections"
    )
