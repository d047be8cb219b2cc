# SPDX-License-Identifier: Apache-2.0
"""The figures of the book at the end of a day: what pages draw, each with what it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.analysis.loans.behaviour import calendar
from heptad.analysis.loans.concentration import concentration
from heptad.analysis.loans.delinquency import BUCKETS
from heptad.analysis.loans.losses import Scenarios, bridge, expected_loss, total
from heptad.analysis.loans.movements import EVER
from heptad.analysis.loans.stress import stressed
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
    made, at = [], end_of(closed.on)
    for part in (_vintages, _rolls, _stages, _concentration, _stability, _stress, _economy):
        made += list(part(closed))
    made += list(_bridge(closed, earlier))
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


def _unit(closed: Closed) -> tuple[str, int]:
    """Return the currency that the book's money is told in: that of most loans."""
    names = [h.currency for h in closed.held] or ["EUR"]
    currency = max(sorted(set(names)), key=names.count)
    return currency, 10 ** exponent(currency)


def _mine(closed: Closed) -> list[int]:
    """Return the loans in that currency; other currencies are not added to it."""
    currency, _ = _unit(closed)
    return [n for n, h in enumerate(closed.held) if h.currency == currency]


def _stages(closed: Closed) -> Found:
    """Loans, balance and loss by stage."""
    currency, minor = _unit(closed)
    mine = _mine(closed)
    for stage in (1, 2, 3):
        which = [n for n in mine if closed.exposures.stage[n] == stage]
        owed = sum(closed.now[n].balance for n in which)
        lost = total([int(closed.loss.booked[n]) for n in which])
        yield "stage", "balance", str(stage), owed / minor, currency, len(which)
        yield "stage", "loss", str(stage), lost / minor, currency, len(which)
    for name, lost in zip(closed.scenarios.names, closed.loss.each.tolist(), strict=True):
        yield "scenario", "loss if certain", name, lost / minor, currency, len(mine)


def _concentration(closed: Closed) -> Found:
    """How the balance is spread over purposes and borrowers."""
    mine = [(closed.held[n], closed.now[n].balance) for n in _mine(closed)]
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


def _stress(closed: Closed) -> Found:
    """What would be booked if every scenario's odds of default moved."""
    currency, minor = _unit(closed)
    for shift in rules.STRESSES:
        s = closed.scenarios
        moved = np.stack([stressed(h, [shift] * 12) for h in s.hazard])
        lost = expected_loss(closed.exposures, Scenarios(s.names, s.weights, moved, s.lgd))
        value = total([int(lost.booked[n]) for n in _mine(closed)]) / minor
        yield "stress", "loss", f"{shift:.1f}", value, currency, len(closed.held)


def _economy(closed: Closed) -> Found:
    """How default rates followed the economy, and the loss one deviation to the worse side."""
    found = closed.economy
    if found is None:
        return
    currency, minor = _unit(closed)
    n = len(closed.held)
    yield "economy", "explained", "all series", found.explained, "share", n
    for name, weight in zip(found.names, found.weights.tolist(), strict=True):
        yield "economy", "log-odds for one deviation", name, weight, "log-odds", n
    s, shift = closed.scenarios, float(np.abs(found.weights).sum())
    moved = np.stack([stressed(h, [shift] * 12) for h in s.hazard])
    lost = expected_loss(closed.exposures, Scenarios(s.names, s.weights, moved, s.lgd))
    value = total([int(lost.booked[n]) for n in _mine(closed)]) / minor
    yield "economy", "loss", "one deviation worse", value, currency, n


def _bridge(closed: Closed, earlier: Mapping[str, tuple[int, int, int]]) -> Found:
    """From the expected loss of the day closed before to that of today."""
    currency, minor = _unit(closed)
    now = {
        closed.held[n].id: (
            int(closed.exposures.stage[n]),
            closed.now[n].balance,
            int(closed.loss.booked[n]),
        )
        for n in _mine(closed)
    }
    found = bridge(dict(earlier), now)
    steps = [("before", found.before), *found.parts.items(), ("after", found.after)]
    for place, (name, lost) in enumerate(steps):
        yield "bridge", "expected loss", f"{place:02d} {name}", lost / minor, currency, len(now)
