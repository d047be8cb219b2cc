# SPDX-License-Identifier: Apache-2.0
"""Tables that the benchmarks load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.standards import Code, Instant, Money, Ref, Table, Text
from heptad.standards.model import Customer

if TYPE_CHECKING:
    from pathlib import Path


class PlainPayment(Table):
    """One payment without anything personal."""

    id = Text("Unique id", key=True)
    event_time = Instant("When it was authorised, UTC")
    customer = Text("Who paid, as a surrogate")
    merchant = Text("Who was paid", optional=True)
    country = Code("Country of the merchant", standard="ISO 3166-1 alpha-2")
    amount = Money("Amount paid", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")
    status = Code("What became of it", standard={"authorised", "declined", "reversed"})


class SealedPayment(Table):
    """The same payment with the name of the merchant's contact sealed under its customer's key."""

    id = Text("Unique id", key=True)
    event_time = Instant("When it was authorised, UTC")
    customer = Ref(Customer, "Who paid", subject=True)
    merchant = Text("Who was paid", personal=True, optional=True)
    country = Code("Country of the merchant", standard="ISO 3166-1 alpha-2")
    amount = Money("Amount paid", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")
    status = Code("What became of it", standard={"authorised", "declined", "reversed"})


class TwiceSealedPayment(Table):
    """The same payment with two sealed columns."""

    id = Text("Unique id", key=True)
    event_time = Instant("When it was authorised, UTC")
    customer = Ref(Customer, "Who paid", subject=True)
    merchant = Text("Who was paid", personal=True, optional=True)
    country = Code("Country of the merchant", standard="ISO 3166-1 alpha-2")
    amount = Money("Amount paid", currency="currency", ge=0)
    currency = Code("Currency of the amount", standard="ISO 4217")
    status = Text("What became of it", personal=True)


def payments(stage: Path, first: int, n: int) -> None:
    """Stage `n` payments, one a second from `first` seconds after 1970 on, known at once."""
    import duckdb

    duckdb.sql(
        f"""COPY (SELECT printf('p%010d', i) AS id, i * 1000000 AS event_time,
        printf('c%06d', hash(i) % 5000) AS customer, printf('m%05d', hash(i, 1) % 999) AS merchant,
        'ES' AS country, (hash(i, 2) % 90000)::BIGINT AS amount, 'EUR' AS currency,
        'authorised' AS status, i * 1000000 AS known_time, false AS _deleted, 1::BIGINT AS _load,
        i AS _line, (hash(i, 3) // 2)::BIGINT AS _hash,
        strftime(make_timestamp(i * 1000000), '%Y-%m') AS _month
        FROM range({first}, {first + n}) t(i))
        TO '{stage}' (FORMAT parquet, PARTITION_BY (_month), OVERWRITE_OR_IGNORE)"""
    )
