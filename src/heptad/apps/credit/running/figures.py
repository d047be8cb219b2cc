# SPDX-License-Identifier: Apache-2.0
"""The figures of the book at the end of a day: what pages draw, each with what it came from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.loans.behaviour import calendar
from heptad.analysis.loans.concentration import concentration
from heptad.analysis.loans.delinquency import BUCKETS
from heptad.analysis.loans.losses import Scenarios, bridge, expected_loss, total
from heptad.analysis.loans.movements import EVER
from heptad.analysis.loans.stress import reverse, stressed
from heptad.apps.credit.running import rules
from heptad.apps.credit.running.rows import end_of
from heptad.standards.money import exponent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heptad.apps.credit.running.servicing import Closed

    Found = Iterator[tuple[str, str, str, float, str, int | None]]

MILLION = 1_000_000


def figures(
    closed: Closed, earlier: Mapping[str, tuple[int, int, int]], evidence: str
) -> list[dict[str, Any]]:
    """Return the day's rows of `LoanFigure`.

    Args:
        closed: the book.
        earlier: loan → stage, balance and loss on the day closed before.
        evidence: tables and versions that the book was read from.
    """
    made, at, mine = [], end_of(closed.on), in_one_currency(closed)
    for part in (
        _vintages, _rolls, _stages, _shares, _concentration, _stability, _stress, _economy,
    ):  # fmt: skip
        made += list(part(mine))
    made += list(_bridge(mine, earlier))
    return [
        {
            "id": f"{closed.on}|{report}|{series}|{place}",
            "event_time": at,
            "report": report,
            "series": series,
            "at": place,
            "value": round(value * MILLION),
            "unit": unit,
            "n": n,
            "evidence": evidence,
        }
        for report, series, place, value, unit, n in made
        if np.isfinite(value)
    ]


def _named(month: int) -> str:
    return f"{month // 12}-{month % 12 + 1:02d}"


def _vintages(closed: Closed) -> Found:
    """Ever late by months on book, cohort by cohort."""
    shares = closed.counted.vintages()
    for cohort, month, e in np.ndindex(*shares.shape):
        loans = int(closed.counted.loans[cohort])
        if loans:
            report, name = f"vintage_{EVER[e]}", _named(closed.first + cohort)
            yield report, name, f"{month:03d}", float(shares[cohort, month, e]), "share", loans


def _rolls(closed: Closed) -> Found:
    """What rolled into the next worse bucket, by month; and the moves of all months."""
    rates = closed.counted.roll_rates()
    for month, b in np.ndindex(*rates.shape):
        name = f"{BUCKETS[b]} → {BUCKETS[b + 1]}"
        n = int(closed.counted.moves[month, b].sum())
        yield "roll", name, _named(closed.first + month), float(rates[month, b]), "share", n
    matrix = closed.counted.matrix()
    stood = closed.counted.moves.sum(axis=(0, 2))
    for b, to in np.ndindex(*matrix.shape):
        if stood[b]:
            yield "moves", BUCKETS[b], BUCKETS[to], float(matrix[b, to]), "share", int(stood[b])


def in_one_currency(closed: Closed) -> Closed:
    """Return the book with the loans in its main currency alone: others are not added to them."""
    mine = [n for n, h in enumerate(closed.held) if h.currency == closed.currency]
    if len(mine) == len(closed.held):
        return closed
    exposures = closed.exposures.take(np.array(mine, np.int64))
    return replace(
        closed,
        held=[closed.held[n] for n in mine],
        now=[closed.now[n] for n in mine],
        codes=[closed.codes[n] for n in mine],
        exposures=exposures,
        loss=expected_loss(exposures, closed.scenarios),
    )


def _minor(closed: Closed) -> int:
    return int(10 ** exponent(closed.currency))


def _stages(closed: Closed) -> Found:
    """Loans, balance and loss by stage, and the loss of each scenario."""
    currency, minor = closed.currency, _minor(closed)
    for stage in (1, 2, 3):
        which = np.flatnonzero(closed.exposures.stage == stage)
        owed = total(closed.exposures.balance[which])
        lost = total(closed.loss.booked[which])
        yield "stage", "balance", str(stage), owed / minor, currency, len(which)
        yield "stage", "loss", str(stage), lost / minor, currency, len(which)
    for name, lost in zip(closed.scenarios.names, closed.loss.each.tolist(), strict=True):
        yield "scenario", "loss if certain", name, lost / minor, currency, len(closed.held)


def _shares(closed: Closed) -> Found:
    """What a default loses in each scenario, from where, and how own defaults paid back."""
    share = closed.share
    source = "own defaults" if share.own else "assumed"
    for name, lost in zip(closed.scenarios.names, share.by_scenario[:, 0].tolist(), strict=True):
        yield "lgd", f"loss share, {source}", name, lost, "share", share.watched
    yield "lgd", "defaults so far", "all", float(share.cases), "loans", share.cases
    yield "lgd", "realised loss", "watched to the end", share.realised, "share", share.watched
    for month, back in enumerate(share.curve.tolist() if share.own else ()):
        yield "recovery", "came back", f"{month:03d}", back, "share", share.cases


def _concentration(closed: Closed) -> Found:
    """How the balance is spread over purposes and borrowers."""
    mine = [(h, s.balance) for h, s in zip(closed.held, closed.now, strict=True)]
    for kind, pairs in (
        ("purpose", [(h.purpose or "none stated", owed) for h, owed in mine]),
        ("borrower", [(h.customer, owed) for h, owed in mine]),
    ):
        if not sum(owed for _, owed in pairs):
            continue
        found = concentration(pairs)
        yield "concentration", kind, "index", found.index, "share", len(pairs)
        yield "concentration", kind, "ten largest", found.top, "share", len(pairs)
        if kind == "purpose":
            for group, share in found.shares.items():
                yield "concentration", "share by purpose", group, share, "share", len(pairs)


def _stability(closed: Closed) -> Found:
    """How far new loans, cohort by cohort, have moved from those of the first six months."""
    fields = {
        "amount": [h.lent for h in closed.held],
        "rate": [h.rate for h in closed.held],
        "term": [h.term for h in closed.held],
    }
    cohort = np.array([h.started.year * 12 + h.started.month - 1 for h in closed.held])
    early = cohort < closed.first + 6
    months = [
        (_named(m), {k: np.array(v)[cohort == m] for k, v in fields.items()})
        for m in sorted(set(cohort.tolist()))
        if m >= closed.first + 6
    ]
    for moved in calendar({k: np.array(v)[early] for k, v in fields.items()}, months, least=20):
        yield "psi", moved.name, moved.month, moved.psi, "psi", moved.n


def _loss(closed: Closed, shift: float) -> int:
    """Return what would be booked if the log-odds of default moved in every scenario, minor units."""
    s = closed.scenarios
    moved = np.stack([stressed(h, [shift] * 12) for h in s.hazard])
    return total(
        expected_loss(closed.exposures, Scenarios(s.names, s.weights, moved, s.lgd)).booked
    )


def _stress(closed: Closed) -> Found:
    """What would be booked if every scenario's odds of default moved, and from where on too much."""
    currency, minor, n = closed.currency, _minor(closed), len(closed.held)
    for shift in rules.STRESSES:
        yield "stress", "loss", f"{shift:.1f}", _loss(closed, shift) / minor, currency, n
    most = round(total(closed.exposures.balance) * rules.BEARABLE)
    tried = [(shift, _loss(closed, shift)) for shift in np.arange(0, rules.HARDEST + 0.1, 0.5)]
    place = f"{rules.BEARABLE:.0%} of what is owed"
    yield "stress", "could not be borne", place, most / minor, currency, n
    found = reverse(tried, most) if most else None
    yield (
        "stress",
        "reached by a shift of",
        place,
        np.nan if found is None else found,
        "log-odds",
        n,
    )


def _economy(closed: Closed) -> Found:
    """How default rates followed the economy, and the loss one deviation to the worse side."""
    found = closed.economy
    if found is None:
        return
    n = len(closed.held)
    yield "economy", "explained", "all series", found.explained, "share", n
    for name, weight in zip(found.names, found.weights.tolist(), strict=True):
        yield "economy", "log-odds for one deviation", name, weight, "log-odds", n
    value = _loss(closed, float(np.abs(found.weights).sum())) / _minor(closed)
    yield "economy", "loss", "one deviation worse", value, closed.currency, n


def _bridge(closed: Closed, earlier: Mapping[str, tuple[int, int, int]]) -> Found:
    """From the expected loss of the day closed before to that of today."""
    minor, e = _minor(closed), closed.exposures
    columns = (e.stage, e.balance, closed.loss.booked)
    each = zip(*(column.tolist() for column in columns), strict=True)
    now = dict(zip((h.id for h in closed.held), each, strict=True))
    found = bridge(dict(earlier), now)
    steps = [("before", found.before), *found.parts.items(), ("after", found.after)]
    for place, (name, lost) in enumerate(steps):
        at = f"{place:02d} {name}"
        yield "bridge", "expected loss", at, lost / minor, closed.currency, len(now)
