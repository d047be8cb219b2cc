# SPDX-License-Identifier: Apache-2.0
"""What loans were used for: transfers and card payments as a network, and money followed in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heptad.analysis.loans.tracing import (
    ELSEWHERE,
    FORBIDDEN,
    LENDER,
    PASSES,
    PURPOSE,
    Moves,
    Transfers,
    Use,
    trace,
    use_of_funds,
)
from heptad.apps.credit.running import rules
from heptad.apps.credit.running.rows import asking, end_of, restate, start_of
from heptad.apps.credit.running.tables import FundsUse
from heptad.standards.model import Listing, Loan, Payment, Transfer
from heptad.standards.money import format_minor
from heptad.standards.time import day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from heptad.service.reads.asking import Ask

MATCH = 5
"""Days around a loan's start within which its paying out is looked for."""
STEPS = 6
"""Most transfers told as the path of one loan."""


@dataclass(frozen=True)
class Network:
    """Accounts, and what moved between them.

    Attributes:
        names: of accounts, by number.
        ids: of transfers, by number.
        transfers: what moved.
        kind: (accounts,) index into `tracing.ENDS`.
        serves: account → purposes that it serves.
        loans: the rows of the loans, by number.
    """

    names: list[str]
    ids: list[str]
    transfers: Transfers
    kind: NDArray[np.int64]
    serves: Mapping[int, set[str]]
    loans: Sequence[Mapping[str, Any]]


def trace_day(platform: Any, text: str) -> dict[str, int]:
    """Trace the loans paid out in the last `rules.TRACED` days, by both methods, and store it."""
    on = date.fromisoformat(text)
    with asking(platform, "credit.funds", on) as ask:
        rows = use_rows(network(ask, on), on)
    stored = restate(platform, FundsUse, on, rows)
    flagged = len({row["loan"] for row in rows if row["diverted"]})
    return {"loans": len(rows) // len(rules.METHODS), "diverted": flagged, **stored}


def network(ask: Ask, on: date) -> Network:
    """Read the accounts and everything that moved between them since the first loan's paying out."""
    since = start_of(on - timedelta(days=rules.TRACED))
    states = ask(Loan, "SELECT * FROM rows ORDER BY id, event_time", every=True)
    first: dict[str, Mapping[str, Any]] = {}
    for row in states:
        first.setdefault(row["id"], row)
    loans = [row for row in first.values() if row["event_time"] >= since]
    moved = ask(
        Transfer,
        "SELECT id, event_time, customer, coalesce(account, customer) AS account, counterparty, "
        "direction, amount, currency, kind FROM rows WHERE counterparty IS NOT NULL "
        f"AND event_time >= {since - MATCH * day}",
        columns=True,
    )
    paid = ask(
        Payment,
        "SELECT 'Payment:' || id AS id, event_time, customer, merchant, amount FROM rows WHERE "
        f"status = 'authorised' AND merchant IS NOT NULL AND event_time >= {since - MATCH * day}",
        columns=True,
    )
    return build(loans, moved, paid, _lists(ask, on))


def _lists(ask: Ask, on: date) -> dict[str, set[str]]:
    """Return list → accounts and merchants that stand on it at the end of a day."""
    found: dict[str, set[str]] = {}
    for row in ask(Listing, f"SELECT * FROM rows WHERE until > {end_of(on)}"):
        found.setdefault(row["list"], set()).update(
            str(row[name]) for name in ("account", "merchant") if row[name]
        )
    return found


def build(
    loans: Sequence[Mapping[str, Any]],
    moved: pa.Table,
    paid: pa.Table | None,
    lists: Mapping[str, set[str]],
) -> Network:
    """Build the network of transfers and card payments.

    Args:
        loans: rows of Loan, as they began.
        moved: columns of Transfer.
        paid: id, event_time, customer, merchant and amount of card payments.
        lists: list → accounts and merchants on it.
    """
    account = moved.column("account").combine_chunks()
    other = moved.column("counterparty").combine_chunks()
    out = pc.equal(moved.column("direction"), "out").combine_chunks()
    # A transfer between two own accounts is booked on both: it is counted where it leaves.
    kept = pc.or_(out, pc.invert(pc.is_in(other, value_set=pc.unique(account))))
    sides = pa.table(
        {
            "time": moved.column("event_time"),
            "id": moved.column("id"),
            "payer": pc.if_else(out, account, other),
            "payee": pc.if_else(out, other, account),
            "amount": moved.column("amount"),
        }
    ).filter(kept)
    if paid is not None and paid.num_rows:
        sides = pa.concat_tables([sides, _by_card(moved, paid, sides.schema)])
    sides = sides.sort_by([("time", "ascending"), ("id", "ascending")])
    wanted = _payouts(loans, moved)
    ends = pa.chunked_array([*sides.column("payer").chunks, *sides.column("payee").chunks])
    coded = ends.combine_chunks().dictionary_encode()
    names, numbers = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    ids = sides.column("id").to_pylist()
    places = [(n, wanted[name]) for n, name in enumerate(ids) if name in wanted]
    drawn = np.full(len(ids), -1)
    for number, (n, _) in enumerate(places):
        drawn[n] = number
    half = len(ids)
    transfers = Transfers(
        sides.column("time").to_numpy(), numbers[:half], numbers[half:],
        sides.column("amount").to_numpy(), drawn,
    )  # fmt: skip
    lender = {names[int(transfers.source[n])] for n, _ in places}
    kind, serves = _kinds(names, set(pc.unique(account).to_pylist()), lender, lists)
    return Network(names, ids, transfers, kind, serves, [loans[n] for _, n in places])


def _by_card(moved: pa.Table, paid: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return card payments as leaving the account of who paid, where it is known."""
    of = dict(zip(*(moved.column(n).to_pylist() for n in ("customer", "account")), strict=True))
    who = pa.array([of.get(name) for name in paid.column("customer").to_pylist()], pa.string())
    columns = [paid.column("event_time"), paid.column("id"), who, paid.column("merchant"),
               paid.column("amount")]  # fmt: skip
    made = pa.table(dict(zip(schema.names, columns, strict=True))).cast(schema)
    return made.filter(pc.is_valid(made.column("payer")))


def _payouts(loans: Sequence[Mapping[str, Any]], moved: pa.Table) -> dict[str, int]:
    """Return the transfer that paid out each loan: of its customer and amount, next to its start."""
    coming: dict[tuple[str, int, str], list[Mapping[str, Any]]] = {}
    lent = pc.and_(
        pc.equal(moved.column("kind"), "loan"), pc.equal(moved.column("direction"), "in")
    )
    for row in moved.filter(lent).to_pylist():
        coming.setdefault((row["customer"], row["amount"], row["currency"]), []).append(row)
    found: dict[str, int] = {}
    for n, loan in enumerate(loans):
        near = [
            row
            for row in coming.get((loan["customer"], loan["amount"], loan["currency"]), ())
            if abs(row["event_time"] - loan["event_time"]) <= MATCH * day and row["id"] not in found
        ]
        if near:
            found[min(near, key=lambda r: abs(r["event_time"] - loan["event_time"]))["id"]] = n
    return found


def _kinds(
    names: Sequence[str], own: set[str], lender: set[str], lists: Mapping[str, set[str]]
) -> tuple[NDArray[np.int64], dict[int, set[str]]]:
    """Say what each account is: own accounts pass money on, all others are where it ends."""
    kind, serves = np.full(len(names), ELSEWHERE, np.int64), {}
    purposes = {
        name.removeprefix(rules.PURPOSE): who
        for name, who in lists.items()
        if name.startswith(rules.PURPOSE) and name != rules.FORBIDDEN
    }
    for n, name in enumerate(names):
        suits = {purpose for purpose, who in purposes.items() if name in who}
        if name in lists.get(rules.FORBIDDEN, ()):
            kind[n] = FORBIDDEN
        elif suits:
            kind[n], serves[n] = PURPOSE, suits
        elif name in lender:
            kind[n] = LENDER
        elif name in own:
            kind[n] = PASSES
    return kind, serves


def use_rows(found: Network, on: date) -> list[dict[str, Any]]:
    """Return the day's rows of `FundsUse`: each loan by each method."""
    rows = []
    for following in rules.METHODS:
        moves = trace(found.transfers, found.kind > 0, following)
        wanted = [str(loan["purpose"]) for loan in found.loans]
        payee = found.transfers.target[moves.transfer]
        suits = np.array(
            [
                wanted[n] in found.serves.get(a, ())
                for n, a in zip(moves.loan.tolist(), payee.tolist(), strict=True)
            ],
            np.bool_,
        )
        use = use_of_funds(moves, found.transfers, found.kind, following, suits=suits)
        rows += [_row(found, moves, use, n, following.method, on) for n in range(len(found.loans))]
    return rows


def _row(
    found: Network, moves: Moves, use: Use, n: int, method: str, on: date
) -> dict[str, Any]:  # fmt: skip
    loan = found.loans[n]
    parts = ("lent", "purpose", "forbidden", "elsewhere", "lender", "round_trip", "unseen", "held")
    return {
        "id": f"{loan['id']}@{on}|{method}",
        "event_time": end_of(on),
        "loan": loan["id"],
        "customer": loan["customer"],
        "currency": loan["currency"],
        "method": method,
        **{name: int(getattr(use, name)[n]) for name in parts},
        "diverted": bool(use.diverted[n]),
        "path": path(found, moves, n) or None,
    }


def path(found: Network, moves: Moves, loan: int) -> str:
    """Return the transfers that carried most of a loan, in order of time, as evidence.

    Those that end where money must not go come first where there are more than `STEPS`.
    """
    mine = np.flatnonzero(moves.loan == loan)
    payee = found.transfers.target[moves.transfer[mine]]
    bad = found.kind[payee] == FORBIDDEN
    chosen = mine[np.lexsort((-moves.amount[mine], ~bad))][:STEPS]
    currency = found.loans[loan]["currency"]
    steps = []
    for m in sorted(chosen.tolist(), key=lambda m: int(moves.transfer[m])):
        i = int(moves.transfer[m])
        source, target = found.transfers.source[i], found.transfers.target[i]
        carried = format_minor(int(moves.amount[m]), currency)
        steps.append(f"{found.names[source]} → {found.names[target]} {carried} [{found.ids[i]}]")
    return "; ".join(steps)
