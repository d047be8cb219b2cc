# SPDX-License-Identifier: Apache-2.0
"""Where and when money moved: payments at a place, and what went from one place to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from heptad.engine.sql.identifiers import literal
from heptad.security.sealing import subject_names
from heptad.service.reads.asof import read_sql
from heptad.standards import model

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from heptad.service.reads.guard import Access
    from heptad.service.reads.reads import Reads
    from heptad.standards import Table

MOST_POINTS, MOST_ARCS = 100_000, 4_000
_DEGREES = 1e7
"""Units of a stored coordinate in one degree."""
_MILLI = 1000
"""Microseconds in a millisecond."""


class Movements(NamedTuple):
    """What moved, in columns of equal length; the latest are kept if there are too many.

    Attributes:
        points: `at` milliseconds, `lat`, `lon` degrees, `who` a number for each person that means
            nothing else, `amount` minor units, `mark` 1 for what was stopped.
        arcs: `at`, `from` and `to` as [lon, lat], `amount`.
        of: how many payments at a place there are.
    """

    points: dict[str, list[Any]]
    arcs: dict[str, list[Any]]
    of: int


def movements(
    reads: Reads, access: Access, stopped: Collection[str], at: int | None = None
) -> Movements:
    """Read what moved, as far as the access may; persons are numbered and not named.

    An arc goes from where a person usually pays: to the merchant of a payment that was made at no
    place, or to where the holder of the account usually pays that a transfer went to.

    Args:
        reads: of the project, narrowed by the access.
        access: what is read under.
        stopped: keys of payments that were stopped.
        at: what had happened and was known by this instant, microseconds; all by default.
    """
    for table in (model.Payment, model.Transfer, model.Merchant, model.Account):
        access.ground(table)
    payment = _rows(reads, model.Payment, ["id", "event_time", "customer", "merchant", "amount",
                                           "place_lat", "place_lon"], at)  # fmt: skip
    found = reads.queries.arrow(
        f"SELECT id, event_time AS moved, customer, amount, place_lat AS lat, place_lon AS lon, "
        f"count(*) OVER () AS n FROM ({payment}) WHERE place_lat IS NOT NULL "
        f"ORDER BY event_time DESC, id LIMIT {MOST_POINTS}"
    )
    rows = found.to_pydict()
    access.answered(model.Payment, found)
    numbers = {name: n for n, name in enumerate(dict.fromkeys(rows["customer"]))}
    points = {
        "at": [at // _MILLI for at in rows["moved"]],
        "lat": [v / _DEGREES for v in rows["lat"]],
        "lon": [v / _DEGREES for v in rows["lon"]],
        "who": [numbers[name] for name in rows["customer"]],
        "amount": rows["amount"],
        "mark": [int(key in stopped) for key in rows["id"]],
    }
    return Movements(points, _arcs(reads, access, payment, at), rows["n"][0] if rows["n"] else 0)


def _arcs(reads: Reads, access: Access, payment: str, at: int | None) -> dict[str, list[Any]]:
    """Read what went from where somebody usually pays to somewhere else."""
    merchant = _rows(reads, model.Merchant, ["id", "place_lat", "place_lon"], at)
    account = _rows(reads, model.Account, ["id", "customer"], at)
    transfer = _rows(reads, model.Transfer, ["id", "event_time", "customer", "counterparty",
                                             "direction", "amount"], at)  # fmt: skip
    away = literal("out")
    rows = reads.queries.arrow(
        f"WITH usual AS (SELECT customer, median(place_lat) AS lat, median(place_lon) AS lon "
        f"FROM ({payment}) WHERE place_lat IS NOT NULL GROUP BY customer), "
        f"bought AS (SELECT p.id, customer, NULL AS other, p.event_time AS moved, u.lat AS a, u.lon AS b, m.place_lat AS c, "
        f"m.place_lon AS d, p.amount FROM ({payment}) p JOIN usual u USING (customer) "
        f"JOIN ({merchant}) m ON m.id = p.merchant "
        f"WHERE p.place_lat IS NULL AND m.place_lat IS NOT NULL), "
        f"sent AS (SELECT t.id, t.customer, h.customer AS other, t.event_time AS moved, u.lat AS a, u.lon AS b, v.lat AS c, v.lon AS d, "
        f"t.amount FROM ({transfer}) t JOIN usual u USING (customer) "
        f"JOIN ({account}) h ON h.id = t.counterparty JOIN usual v ON v.customer = h.customer "
        f"WHERE t.direction = {away}) "
        f"SELECT * FROM (SELECT * FROM bought UNION ALL SELECT * FROM sent) "
        f"ORDER BY moved DESC, id LIMIT {MOST_ARCS}"
    )
    access.answered(model.Transfer, rows)
    access.about(subject_names(model.Transfer, rows.column("other")))
    found = rows.to_pydict()
    ends = [zip(found[x], found[y], strict=True) for y, x in (("a", "b"), ("c", "d"))]
    return {
        "at": [at // _MILLI for at in found["moved"]],
        "from": [[x / _DEGREES, y / _DEGREES] for x, y in ends[0]],
        "to": [[x / _DEGREES, y / _DEGREES] for x, y in ends[1]],
        "amount": found["amount"],
    }


def _rows(reads: Reads, table: type[Table], columns: Sequence[str], at: int | None) -> str:
    return read_sql(table, reads.stored(table).relation, t=at, k=at, columns=columns)
