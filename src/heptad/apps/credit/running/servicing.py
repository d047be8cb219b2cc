# SPDX-License-Identifier: Apache-2.0
"""The loans' day: where each stands at its end, its stage and expected loss."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.loans.behaviour import warnings
from heptad.analysis.loans.delinquency import BUCKETS, REPAID, WRITTEN_OFF, course
from heptad.analysis.loans.losses import Exposures, Risk, Scenarios, expected_loss, stages
from heptad.analysis.loans.movements import Months, movements
from heptad.analysis.loans.recoveries import MONTH
from heptad.analysis.loans.stress import Link, link, stressed
from heptad.apps.credit.running import rules
from heptad.apps.credit.running.books import read_books
from heptad.apps.credit.running.conduct import YEAR, conduct, month, read_flows
from heptad.apps.credit.running.rows import asking, day_of, end_of, restate, start_of
from heptad.apps.credit.running.tables import LoanDay, LoanFigure
from heptad.apps.credit.running.workouts import LossShare, defaults_of, measured
from heptad.standards.model import Macro

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from heptad.analysis.arrays import Array
    from heptad.analysis.loans.delinquency import Course, Standing
    from heptad.analysis.loans.losses import Loss
    from heptad.analysis.loans.movements import Movements
    from heptad.apps.credit.running.books import Held
    from heptad.service.reads.asking import Ask


@dataclass(frozen=True)
class Closed:
    """The book at the end of a day.

    Attributes:
        on: the day.
        held: loans that run, in order of ids.
        now: where each of them stands.
        counted: movements of all loans over the months, those that ended included.
        first: first month of the book, counted from the year 0.
        currency: of most of the loans that run; money in others is not added to figures.
        codes: what warns of each.
        exposures: what is owed, in the order of `held`.
        loss: what is expected to be lost of it.
        scenarios: what may come.
        share: what a default loses, and where that comes from.
        economy: how default rates followed the economy; None where too little is known.
    """

    on: date
    held: list[Held]
    now: list[Standing]
    counted: Movements
    first: int
    currency: str
    codes: list[list[str]]
    exposures: Exposures
    loss: Loss
    scenarios: Scenarios
    share: LossShare
    economy: Link | None = None


def close_day(platform: Any, text: str) -> dict[str, int]:
    """Close a day: store where each loan stands, and the figures of the book.

    Run again it stores only what differs from what is stored of that day.
    """
    from heptad.apps.credit.running.figures import figures

    on = date.fromisoformat(text)
    with asking(platform, "credit.loans", on) as ask:
        closed = close(ask, on)
        earlier = _earlier(ask, on, closed.currency)
    stored = restate(platform, LoanDay, on, rows_of(closed))
    read = ("Loan", "Repayment", "LoanEvent", "Transfer", "Macro")
    versions = {t: platform.lake.version(t) for t in read if platform.lake.exists(t)}
    evidence = ", ".join(f"{name}@{version}" for name, version in versions.items())
    shown = restate(platform, LoanFigure, on, figures(closed, earlier, evidence), ["evidence"])
    return {"loans": len(closed.held), **stored, "figures": shown["written"]}


def close(ask: Ask, on: date) -> Closed:
    """Work out the book at the end of a day from what is asked."""
    every = read_books(ask, on)
    ends = month_ends(min((h.started for h in every), default=on), on)
    courses = [course(h.book, rules.RULE, sorted({*ends, on})) for h in every]
    running = [n for n, c in enumerate(courses) if c.standings and c.standings[-1].bucket < REPAID]
    held, past = [every[n] for n in running], [courses[n].standings for n in running]
    currency, first = _most([h.currency for h in held]), month(ends[0])
    months = _months(every, courses, set(ends), first, currency)
    counted = movements(months, max(len(ends), 1))
    codes = warnings(
        conduct(list(zip(held, past, strict=True)), read_flows(ask, on), on), rules.SIGNALS
    )
    share = measured(defaults_of(every, courses))
    scenarios, now = scenarios_of(counted, share), [s[-1] for s in past]
    exposures = _exposures(held, now, codes, scenarios)
    loss, economy = expected_loss(exposures, scenarios), _economy(ask, counted, first)
    return Closed(
        on, held, now, counted, first, currency, codes, exposures, loss, scenarios, share, economy
    )


def _most(currencies: Sequence[str]) -> str:
    """Return the currency of most loans."""
    return max(sorted(set(currencies)), key=currencies.count, default="EUR")


def _economy(ask: Ask, counted: Movements, first: int) -> Link | None:
    """Link the share of loans that came to 91+ in each month to macro series of that month."""
    values: dict[str, dict[int, float]] = {}
    for row in ask(Macro, "SELECT series, event_time, value FROM rows ORDER BY event_time"):
        values.setdefault(row["series"], {})[month(day_of(row["event_time"]))] = row["value"] / 1e6
    stood = counted.moves[:, :4].sum(axis=(1, 2))
    known = [
        m
        for m in range(len(stood))
        if stood[m] and values and all(first + m in of for of in values.values())
    ]
    series = {name: np.array([of[first + m] for m in known]) for name, of in values.items()}
    moving = {name: column for name, column in series.items() if len(known) and column.std() > 0}
    if len(known) < 10 or not moving:
        return None
    rates = counted.moves[known, :4, 4].sum(axis=1) / stood[known]
    return link(rates, moving)


def month_ends(start: date, on: date) -> list[date]:
    """Return the last days of the months from a day on that are over by another, at least one."""
    found: list[date] = []
    year, month = start.year, start.month
    while True:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        end = date(year, month, 1) - timedelta(days=1)
        if end > on:
            return found or [on]
        found.append(end)


def _months(
    every: Sequence[Held], courses: Sequence[Course], ends: set[date], first: int, currency: str
) -> Months:
    """Return the loans at the ends of months; what has ended is told once.

    Loans count in any currency, but what they owe only in one.
    """
    rows: list[tuple[int, ...]] = []
    for n, (held, went) in enumerate(zip(every, courses, strict=True)):
        cohort, counts = month(held.started) - first, held.currency == currency
        for s in went.standings:
            if s.day in ends:
                at = month(s.day) - first
                money = (s.balance, held.lent) if counts else (0, 0)
                rows.append((n, at, min(cohort, at), s.bucket, *money))
                if s.bucket >= REPAID:
                    break
    columns = np.array(rows, np.int64).reshape(-1, 6).T
    return Months(*columns)


def scenarios_of(counted: Movements, share: LossShare) -> Scenarios:
    """Return what may come: hazards by bucket from the book's own moves, and what defaults lose."""
    moves = counted.moves.sum(axis=0).astype(np.float64) + rules.PRIOR_LOANS * rules.PRIOR
    matrix = moves / moves.sum(axis=1, keepdims=True)
    base = hazards(matrix, rules.HORIZON)
    shifted = [stressed(base, [shift] * YEAR) if shift else base for shift in rules.SHIFTS]
    return Scenarios(rules.SCENARIOS, rules.WEIGHTS, np.stack(shifted), share.by_scenario)


def hazards(matrix: Array, months: int) -> Array:
    """Return by bucket the probability to come to 91+ in each month, of what still runs.

    Args:
        matrix: (SIZE, SIZE) moves of a month.
        months: how many.

    Returns:
        (4, months) for current, 1-30, 31-60 and 61-90: first passage of a Markov chain.
    """
    chain = matrix.copy()
    chain[4] = np.eye(len(matrix))[4]
    at, found, before = np.eye(len(matrix))[:4], np.zeros((4, months)), np.zeros(4)
    for m in range(months):
        alive = at[:, :4].sum(axis=1)
        at = at @ chain
        passed = at[:, 4] + at[:, WRITTEN_OFF]
        with np.errstate(divide="ignore", invalid="ignore"):
            found[:, m] = np.where(alive > 1e-12, (passed - before) / alive, found[:, m - 1])
        before = passed
    return np.clip(found, 0, 1)


def _exposures(
    held: Sequence[Held], now: Sequence[Standing], codes: Sequence[Sequence[str]], may: Scenarios
) -> Exposures:
    """Put the loans that run into stages, and return what is owed."""
    grade = np.array([min(s.bucket, 3) for s in now], np.int32)
    remaining = np.array([max(h.remaining, 1) for h in held], np.int32)
    longest = int(remaining.max(initial=YEAR))
    by_month = np.stack([may.probability(m) for m in range(1, longest + 1)], axis=1)
    life, fresh = by_month[grade, remaining - 1], by_month[0, remaining - 1]
    year = by_month[grade, np.minimum(remaining, YEAR) - 1]
    found = stages(
        [s.days_past_due for s in now],
        [s.default for s in now],
        [s.watched or len(c) > 1 for s, c in zip(now, codes, strict=True)],
        Risk(life, fresh, year),
        rules.WORSE,
    )
    balance = np.array([s.balance for s in now], np.int64)
    rate = np.array([h.rate for h in held], np.int32)
    return Exposures(balance, rate, remaining, grade, _ages(now, may), found)


def _ages(now: Sequence[Standing], may: Scenarios) -> NDArray[np.int32]:
    """Return for how many months each loan has been in default, as far as shares are told apart."""
    ages = [0 if s.since is None else int((s.day - s.since).days / MONTH) for s in now]
    return np.minimum(np.array(ages, np.int32), np.int32(may.lgd.shape[1] - 1))


def rows_of(closed: Closed) -> list[dict[str, Any]]:
    """Return the day's rows of `LoanDay`."""
    at, found = end_of(closed.on), []
    for n, (h, s, codes) in enumerate(zip(closed.held, closed.now, closed.codes, strict=True)):
        found.append(
            {
                "id": f"{h.id}@{closed.on}",
                "event_time": at,
                "loan": h.id,
                "customer": h.customer,
                "currency": h.currency,
                "balance": s.balance,
                "late": s.late,
                "days_late": s.days_past_due,
                "bucket": BUCKETS[s.bucket],
                "default": s.default,
                "watched": s.watched or len(codes) > 1,
                "warnings": " ".join(codes) or None,
                "stage": int(closed.exposures.stage[n]),
                "remaining": h.remaining,
                "loss": int(closed.loss.booked[n]),
                "loss_year": int(closed.loss.year[n]),
                "loss_lifetime": int(closed.loss.lifetime[n]),
            }
        )
    return found


def _earlier(ask: Ask, on: date, currency: str) -> dict[str, tuple[int, int, int]]:
    """Return stage, balance and loss of each loan in a currency on the latest closed day before."""
    rows = ask(
        LoanDay,
        "SELECT loan, stage, balance, loss FROM rows WHERE event_time = (SELECT max(event_time) "
        f"FROM rows WHERE event_time < {start_of(on)}) AND currency = '{currency}' ORDER BY loan",
    )
    return {r["loan"]: (r["stage"], r["balance"], r["loss"]) for r in rows}
