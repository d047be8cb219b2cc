# SPDX-License-Identifier: Apache-2.0
"""Ground truth, kept apart from the tables, and the fraud labels that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.digits import decimal, scrambled
from heptad.sources.bank.draws import Ints, chance, field
from heptad.sources.bank.laundering import SCHEMES
from heptad.sources.bank.motifs import MOTIFS
from heptad.sources.bank.payments import row_number
from heptad.sources.bank.people import NEVER
from heptad.sources.bank.world import MISSING, SECOND, Columns, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from heptad.sources.bank.laundering import Laundering
    from heptad.sources.bank.loans import Loans
    from heptad.sources.bank.motifs import Motifs
    from heptad.sources.bank.payments import Payments
    from heptad.sources.bank.transfers import Transfers

OVERLOOKED_PER_MILLION = 20_000
"""Fraudulent payments that even a victim who reports the rest overlooks."""
FALSE_PER_MILLION = 40
"""Customer-days with a genuine payment that is reported as fraud."""
CHECKED_PER_MILLION = 20_000
"""Customer-days whose first payment is checked by sampling and cleared."""


class Truth:
    """What was planted, and what the bank comes to know of it."""

    def __init__(
        self, payments: Payments, transfers: Transfers, laundering: Laundering, loans: Loans
    ) -> None:
        self.payments, self.transfers = payments, transfers
        self.laundering, self.loans = laundering, loans
        self.world: World = payments.world
        self.motifs: Motifs = payments.motifs

    def labels(self, first: int, after: int) -> Iterator[Columns]:
        """Yield the Label rows of payments made on the days [first, after).

        Reported fraud is known when the victim reports it, a sample of genuine payments is
        cleared thirty days later. A few frauds are overlooked, a few genuine payments reported.
        """
        for day in range(first, after):
            rows, fraud, victim = self.motifs.planted(day)
            missed = chance(self.world.draws.of("overlooked", rows.row), OVERLOOKED_PER_MILLION)
            report = self.motifs.victims.report[victim]
            told = np.flatnonzero(fraud & ~missed & (report < NEVER))
            row, time = rows.row[told], rows.time[told]
            yield self._label_rows(day, row, time, day + report[told], 1)
            for per_million, delay, flag in (
                (FALSE_PER_MILLION, 4, 1),
                (CHECKED_PER_MILLION, 30, 0),
            ):
                row, time = self._first_payments(day, per_million)
                yield self._label_rows(day, row, time, np.full_like(row, day + delay), flag)

    def _label_rows(self, day: int, row: Ints, time: Ints, known: Ints, flag: int) -> Columns:
        clock = 8 * 3600 + field(self.world.draws.of("report time", row), 0, 15)
        return {
            "id": scrambled(row, self.world.draws.key("label id")),
            "event_time": self.world.instant(day) + time * SECOND,
            "customer": decimal((row >> 16) & 0xFFFFFF, 8, "C"),
            "payment": self.payments.ids(row),
            "application": np.full(len(row), b"", dtype="S16"),
            "fraud": np.full(len(row), flag, dtype=np.int64),
            "default": np.full(len(row), MISSING),
            "known_time": self.world.instant(known) + clock * SECOND,
        }

    def _first_payments(self, day: int, per_million: int) -> tuple[Ints, Ints]:
        """Return row and second of the first usual payment of a sample of customers."""
        rows: list[Ints] = [np.empty(0, dtype=np.int64)]
        for low, high in self.world.blocks():
            ids = np.arange(low, high, dtype=np.int64)
            words = self.world.draws.of("sampled", ids, day * 2 + (per_million > 1000))
            ids = ids[chance(words, per_million)]
            rows.append(row_number(day, ids[self.payments.counts(day, ids) > 0], 0))
        row = np.concatenate(rows)
        return row, self.payments.seconds(day, row)

    def rows(self) -> Iterator[Columns]:
        """Yield all ground truth: one row per planted thing.

        Columns: motif, incident (what belongs together), table and id of the row concerned,
        event_time, and fraud (0 for the genuine payment of an impossible journey).
        """
        for day in range(self.world.days + 1):
            yield self._fraud(day)
            yield self._laundered(day)
            row, time = self._first_payments(day, FALSE_PER_MILLION)
            when = self.world.instant(day) + time * SECOND
            yield _rows(
                "false report", decimal(row & 0, 9), "Payment", self.payments.ids(row), when, 0
            )
        yield from self._borrowers()
        yield from self._copies()

    def _fraud(self, day: int) -> Columns:
        rows, fraud, victim = self.motifs.planted(day)
        names = np.array(MOTIFS, dtype=np.bytes_)[self.motifs.victims.motif[victim]]
        when = self.world.instant(day) + rows.time * SECOND
        ids = self.payments.ids(rows.row)
        return _rows(names, decimal(victim, 9), "Payment", ids, when, fraud.astype(np.int64))

    def _laundered(self, day: int) -> Columns:
        found, where = self.laundering.of_day(day), self.laundering.on(day)
        names = np.array(SCHEMES, dtype=np.bytes_)[self.laundering.scheme[where]]
        incident = decimal(self.laundering.incident[where] % 10**9, 9)
        when = self.world.instant(day) + found.time * SECOND
        return _rows(names, incident, "Transfer", self.transfers.ids(found.row), when, 1)

    def _borrowers(self) -> Iterator[Columns]:
        """Yield the diverted and the defaulted loans, later than the history included."""
        lending = self.loans.lending
        book = lending.loans
        customer, slot = book.customer.astype(np.int64), book.slot.astype(np.int64)
        for motif, which, day in (
            ("diverted loan", lending.diverted(customer, slot), book.start),
            ("default", book.default < NEVER, book.default),
        ):
            found = book.take(np.flatnonzero(which))
            when = self.world.instant(day[which].astype(np.int64))
            incident = decimal(found.customer.astype(np.int64), 9)
            yield _rows(motif, incident, "Loan", self.loans.ids(found), when, 1)

    def _copies(self) -> Iterator[Columns]:
        """Yield the customers who are in the register twice; the incident names the original."""
        for low, high in self.world.blocks():
            ids = np.arange(low, high, dtype=np.int64)
            original = self.loans.people.original(ids)
            copies = ids[original != ids]
            when = self.world.instant(self.loans.people.traits.joined[copies])
            first = decimal(original[copies], 8, "C")
            yield _rows("duplicate customer", first, "Customer", decimal(copies, 8, "C"), when, 0)


def _rows(
    motif: str | NDArray[np.bytes_],
    incident: NDArray[np.bytes_],
    table: str,
    ids: NDArray[np.bytes_],
    event_time: Ints,
    fraud: int | Ints,
) -> Columns:
    """Return columns of truth, single values repeated."""
    return {
        "motif": np.broadcast_to(np.asarray(motif, dtype=np.bytes_), ids.shape),
        "incident": incident,
        "table": np.full(len(ids), table.encode()),
        "id": ids,
        "event_time": event_time,
        "fraud": np.broadcast_to(np.asarray(fraud, dtype=np.int64), ids.shape),
    }
