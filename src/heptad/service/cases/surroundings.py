# SPDX-License-Identifier: Apache-2.0
"""What lies around a case: what its people paid and were sent, when, where, and with whom."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from heptad.engine.sql.identifiers import literal, quote
from heptad.service.reads.asof import read_sql
from heptad.standards import model
from heptad.standards.errors import Refused
from heptad.standards.time import day, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from heptad.service.reads.guard import Access
    from heptad.service.reads.reads import Reads
    from heptad.standards import Table

BEFORE, AFTER = 30 * day, 3 * day
"""How long before the first alert, and after the last one, is looked at."""
MOST_EVENTS, MOST_NODES, MOST_OTHERS = 400, 28, 12
_DEGREES = 10_000_000
"""Units of a stored coordinate in one degree."""


class Found(NamedTuple):
    """What lies around a case.

    Attributes:
        events: plain rows, the last one first.
        nodes: persons, devices, merchants and accounts that they touch.
        links: from node to node, with how often and how much.
        of: how many events there are in all.
        left_out: tables that the purpose does not cover.
    """

    events: list[dict[str, Any]]
    nodes: list[dict[str, Any]]
    links: list[dict[str, Any]]
    of: int
    left_out: list[str]


def around(
    reads: Reads,
    access: Access,
    people: Sequence[str],
    span: tuple[int, int],
    rows: frozenset[str] = frozenset(),
    at: int | None = None,
) -> Found:
    """Read what persons did around some instants, as far as the access may.

    Whoever paid with the same device in that time is among them, so that a ring is seen.

    Args:
        reads: of the project, narrowed by the access.
        access: what is read under; notes whom it is about.
        people: keys of customers.
        span: from the first alert to the last, microseconds.
        rows: keys of the rows that were decided, always among the events.
        at: only what had happened and was known by this instant; all by default.
    """
    last = span[1] + AFTER
    when = (span[0] - BEFORE, last if at is None else min(last, at), at)
    payments, left_out = _events(reads, access, model.Payment, people, when)
    others = _sharing(reads, access, payments, people, when)
    if others:
        more, _ = _events(reads, access, model.Payment, others, when)
        shared = {p["device"] for p in payments}
        payments += [p for p in more if p["device"] in shared]
    transfers, closed = _events(reads, access, model.Transfer, people, when)
    names = _merchants(reads, access, {p["merchant"] for p in payments if p["merchant"]}, at)
    found = [_payment(p, names) for p in payments] + [_transfer(t) for t in transfers]
    found.sort(key=lambda e: (e["id"] in rows, e["when"]), reverse=True)
    kept = sorted(found[:MOST_EVENTS], key=lambda e: e["when"], reverse=True)
    nodes, links = _linked(kept, people, names, rows)
    plain = [e | {"when": format_instant(e["when"]), "decided": e["id"] in rows} for e in kept]
    return Found(plain, nodes, links, len(found), left_out + closed)


def _events(
    reads: Reads,
    access: Access,
    table: type[Table],
    people: Iterable[str],
    when: tuple[int, int, int | None],
) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the events of persons in a time; none of a table that the purpose does not cover."""
    try:
        access.ground(table)
    except Refused:
        return [], [table.__name__]
    columns = [c.name for c in table.columns() if not c.name.startswith("_")]
    plain = [c for c in columns if c not in {"card", "known_time"}]
    sql = read_sql(table, reads.stored(table).relation, t=when[1], k=when[2], columns=plain)
    found = reads.queries.arrow(
        f"SELECT * FROM ({sql}) WHERE {quote('customer')} IN ({_texts(people)}) "
        f"AND event_time >= {int(when[0])} ORDER BY event_time DESC LIMIT {10 * MOST_EVENTS}"
    )
    access.answered(table, found)
    return found.to_pylist(), []


def _sharing(
    reads: Reads,
    access: Access,
    payments: list[dict[str, Any]],
    people: Sequence[str],
    when: tuple[int, int, int | None],
) -> list[str]:
    """Return who else paid with the devices of these payments."""
    devices = {p["device"] for p in payments if p["device"]}
    if not devices:
        return []
    table = model.Payment
    columns = ["customer", "device", "event_time"]
    sql = read_sql(table, reads.stored(table).relation, t=when[1], k=when[2], columns=columns)
    found = reads.queries.arrow(
        f"SELECT customer FROM ({sql}) WHERE device IN ({_texts(devices)}) "
        f"AND event_time >= {int(when[0])} AND customer NOT IN ({_texts(people)}) "
        f"GROUP BY customer ORDER BY count(*) DESC, customer LIMIT {MOST_OTHERS}"
    )
    access.answered(table, found)
    return [str(name) for name in found.column("customer").to_pylist()]


def _merchants(
    reads: Reads, access: Access, keys: set[str], at: int | None = None
) -> dict[str, str]:
    """Return the names of merchants as they were called, and known, at an instant; or now."""
    if not keys:
        return {}
    table = model.Merchant
    sql = read_sql(table, reads.stored(table).relation, t=at, k=at, columns=["id", "name"])
    found = reads.queries.arrow(f"SELECT * FROM ({sql}) WHERE id IN ({_texts(keys)})")
    access.answered(table, found)
    return {row["id"]: row["name"] or row["id"] for row in found.to_pylist()}


def _payment(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    lat, lon = row.get("place_lat"), row.get("place_lon")
    return {
        "id": row["id"], "kind": "payment", "when": row["event_time"], "who": row["customer"],
        "to": row["merchant"] or "", "name": names.get(row["merchant"], row["merchant"] or ""),
        "country": row["country"] or "", "channel": row["channel"] or "",
        "device": row["device"] or "", "status": row["status"],
        "amount": row["amount"], "currency": row["currency"],
        "lat": None if lat is None else lat / _DEGREES,
        "lon": None if lon is None else lon / _DEGREES,
    }  # fmt: skip


def _transfer(row: dict[str, Any]) -> dict[str, Any]:
    other = row["counterparty"] or ""
    return {
        "id": row["id"], "kind": f"transfer {row['direction']}", "when": row["event_time"],
        "who": row["customer"], "to": other, "name": other, "country": "",
        "channel": row["kind"], "device": "", "status": "", "amount": row["amount"],
        "currency": row["currency"], "lat": None, "lon": None,
    }  # fmt: skip


def _linked(
    events: list[dict[str, Any]],
    people: Sequence[str],
    names: dict[str, str],
    rows: frozenset[str],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Draw who paid whom and by which device; the strongest links if there are too many."""
    sums: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for event in events:
        who, held = f"person {event['who']}", int(event["id"] in rows)
        ends = [(who, f"device {event['device']}", "uses")] if event["device"] else []
        if event["to"]:
            kind = "merchant" if event["kind"] == "payment" else "account"
            other = f"{kind} {event['to']}"
            ends.append(
                (other, who, "pays") if event["kind"].endswith("in") else (who, other, "pays")
            )
        for end in ends:
            sums[end][0] += 1
            sums[end][1] += event["amount"] or 0
            sums[end][2] |= held
    nodes = dict.fromkeys(f"person {name}" for name in people)
    links = []
    for (one, other, what), (n, amount, held) in sorted(
        sums.items(), key=lambda s: (-s[1][2], s[0][2] != "uses", -s[1][1], s[0])
    ):
        if len({*nodes, one, other}) > MOST_NODES:
            continue
        nodes |= {one: None, other: None}
        links.append({"from": one, "to": other, "what": what, "n": n, "amount": amount,
                      "decided": bool(held)})  # fmt: skip
    drawn = []
    for node in nodes:
        kind, _, name = node.partition(" ")
        title = names.get(name, name) if kind == "merchant" else name
        drawn.append({"id": node, "kind": kind, "name": title, "own": name in people})
    return drawn, links


def _texts(values: Iterable[str]) -> str:
    return ", ".join(literal(value) for value in sorted(values)) or "NULL"
