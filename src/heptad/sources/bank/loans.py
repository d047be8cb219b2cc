# SPDX-License-Identifier: Apache-2.0
"""The lending tables: LoanApplication, Loan, Repayment, CreditRecord, and the default labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from heptad.sources.bank.cashflow import UNPAID
from heptad.sources.bank.digits import Bytes, decimal, scrambled
from heptad.sources.bank.draws import Ints, chance, field
from heptad.sources.bank.names import PURPOSES
from heptad.sources.bank.payments import row_number
from heptad.sources.bank.people import EMPLOYED, HOMES, NEVER
from heptad.sources.bank.world import DAY, MISSING, PERIOD, QUARTER, SECOND, Columns, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.sources.bank.lending import Book, Lending
    from heptad.sources.bank.people import People
    from heptad.sources.bank.registers import Registers

_CHANNELS = np.array([b"app", b"web", b"branch", b"phone"])
_DUE = 10 * 3600
_BATCH = 65_536
_FIRST_QUARTER = -1


class Loans:
    """Rows of the tables about lending."""

    def __init__(
        self, world: World, people: People, lending: Lending, registers: Registers
    ) -> None:
        self.world, self.people, self.lending, self.registers = world, people, lending, registers

    def applications(self, first: int, after: int) -> Iterator[Columns]:
        """Yield LoanApplication of the days [first, after), by day and customer."""
        for book in self._parts(self.lending.applications, first, after):
            yield self._application_rows(book)

    def _application_rows(self, book: Book) -> Columns:
        ids, slot = book.customer.astype(np.int64), book.slot.astype(np.int64)
        traits = self.people.traits.take(ids)
        asked = self.lending.asked(ids, slot, traits)
        event_time = self.world.instant(asked.day) + asked.second * SECOND
        words, more = (self.world.draws.of(p, ids, slot) for p in ("stated", "stated more"))
        true = traits.income_on(asked.day)
        boast = np.where(field(words, 0, 8) < 25 + traits.strain // 4, 5 + field(words, 8, 5), 0)
        income = true * (100 + boast) // 100 // 1000 * 1000
        expenses = (traits.housing + traits.bills) * (80 + field(words, 16, 5)) // 100 // 1000
        silent = 60_000 + 80_000 * (traits.strain > 150)
        worked = 60 + (field(more, 0, 16) * field(more, 16, 16) * 6000 >> 32)
        worked = np.where(traits.shocked(asked.day - 90), worked // 8, worked)
        today = event_time // DAY
        employed = (traits.kind == EMPLOYED) & ~chance(words * np.uint64(5), 50_000)
        return {
            "id": self.application_ids(book),
            "event_time": event_time,
            "customer": decimal(ids, 8, "C"),
            "amount": asked.amount,
            "currency": np.full(len(ids), b"EUR"),
            "term": asked.term,
            "purpose": np.array(PURPOSES, dtype=np.bytes_)[asked.purpose],
            "channel": _CHANNELS[field(more, 32, 2)],
            "income": np.where(chance(words * np.uint64(3), 50_000), MISSING, income),
            "expenses": np.where(chance(more, silent), MISSING, expenses * 1000),
            "employed_since": np.where(employed, today - worked, MISSING),
            "home": np.where(field(more, 40, 8) < 8, b"", HOMES[traits.home]),
            "age": (self.registers.ages(self.people.original(ids)) + asked.day) // 365,
            "known_time": event_time + SECOND,
        }

    def loans(self) -> Iterator[Columns]:
        """Yield Loan: a row when it starts, and one each time its status changes."""
        for book in self._parts(self.lending.loans, 0, self.world.days):
            yield self._loan_rows(book)

    def _loan_rows(self, book: Book) -> Columns:
        ids, slot = book.customer.astype(np.int64), book.slot.astype(np.int64)
        asked = self.lending.asked(ids, slot, self.people.traits.take(ids))
        start, default = book.start.astype(np.int64), book.default.astype(np.int64)
        late = book.late.astype(np.int64)
        due = start[:, None] + PERIOD * np.arange(1, late.shape[1] + 1)
        trouble = np.where((late > PERIOD) & (due < default[:, None]), due + PERIOD, NEVER)
        trouble[np.arange(late.shape[1]) >= asked.term[:, None]] = NEVER
        worst = trouble.min(axis=1)
        cured_at = np.take_along_axis(due + late, trouble.argmin(axis=1)[:, None], axis=1)[:, 0]
        cured = np.where((worst < NEVER) & (default == NEVER), cured_at, NEVER)
        last = np.clip(asked.term - 1, 0, late.shape[1] - 1)
        final = late[np.arange(len(ids)), last]
        whole = (asked.term <= late.shape[1]) & (final < UNPAID)
        repaid = np.where(whole, start + PERIOD * asked.term + final, NEVER)
        day = np.concatenate(
            [start, worst, np.where(cured < repaid, cured, NEVER), default, repaid]
        )
        status = np.repeat([b"running", b"late", b"running", b"defaulted", b"repaid"], len(ids))
        kept = np.flatnonzero(day < self.world.days)
        which = kept % max(len(ids), 1)
        event_time = self.world.instant(day[kept]) + (_DUE + kept // max(len(ids), 1)) * SECOND
        return {
            "id": self.ids(book)[which],
            "event_time": event_time,
            "application": self.application_ids(book)[which],
            "customer": decimal(ids, 8, "C")[which],
            "amount": asked.amount[which],
            "currency": np.full(len(which), b"EUR"),
            "rate": asked.rate[which],
            "term": asked.term[which],
            "purpose": np.array(PURPOSES, dtype=np.bytes_)[asked.purpose[which]],
            "status": status[kept],
            "known_time": event_time + SECOND,
        }

    def repayments(self, first: int, after: int) -> Iterator[Columns]:
        """Yield Repayment due on the days [first, after): as due, and again when paid late.

        The second row of an instalment has the same id and a later known_time.
        """
        for book in self._parts(self.lending.loans, 0, self.world.days):
            yield self._repayment_rows(book, first, after)

    def _repayment_rows(self, book: Book, first: int, after: int) -> Columns:
        ids, slot = book.customer.astype(np.int64), book.slot.astype(np.int64)
        asked = self.lending.asked(ids, slot, self.people.traits.take(ids))
        late = book.late.astype(np.int64)
        number = np.arange(1, late.shape[1] + 1)
        due = book.start.astype(np.int64)[:, None] + PERIOD * number
        falls = (number <= asked.term[:, None]) & (due >= first) & (due < after)
        falls &= due < np.maximum(book.default.astype(np.int64), 0)[:, None]
        loan, k = np.nonzero(falls)
        day, days_late = due[loan, k], late[loan, k]
        amount = asked.instalment[loan]
        on_time = days_late == 0
        again = np.flatnonzero((days_late > 0) & (days_late < UNPAID))
        row = np.concatenate([np.arange(len(loan)), again])
        new = np.arange(len(row)) >= len(loan)
        settled = on_time[row] | new
        known = np.where(new, day[row] + days_late[row], day[row])
        key = row_number(book.start.astype(np.int64)[loan], ids[loan], 0x7000 + slot[loan] * 64 + k)
        return {
            "id": scrambled(key[row], self.world.draws.key("repayment id")),
            "event_time": self.world.instant(day[row]) + _DUE * SECOND,
            "loan": self.ids(book)[loan[row]],
            "customer": decimal(ids[loan[row]], 8, "C"),
            "due": amount[row],
            "paid": np.where(settled, amount[row], 0),
            "currency": np.full(len(row), b"EUR"),
            "days_late": np.where(settled, days_late[row], MISSING),
            "known_time": self.world.instant(known) + 20 * 3600 * SECOND,
        }

    def credit_records(self, first: int, after: int) -> Iterator[Columns]:
        """Yield CreditRecord: one report a quarter on each customer whom the bureau knows."""
        for quarter in range(_FIRST_QUARTER, self.world.days // QUARTER + 1):
            if quarter * QUARTER < after and (quarter + 1) * QUARTER > first:
                for low, high in self.world.blocks():
                    ids = np.arange(low, high, dtype=np.int64)
                    yield self._record_rows(ids, quarter, first, after)

    def _record_rows(self, ids: Ints, quarter: int, first: int, after: int) -> Columns:
        traits = self.people.traits.take(ids)
        record = self.lending.record(ids, quarter, traits)
        words = self.world.draws.of("report day", ids, quarter + 1)
        day = quarter * QUARTER + field(words, 0, 4)
        early = first if first > 0 else _FIRST_QUARTER * QUARTER
        kept = (record["thin"] == 0) & (day >= early) & (day < after)
        kept = np.flatnonzero(kept & (traits.joined <= day))
        event_time = self.world.instant(day)
        columns: Columns = {
            "id": scrambled(
                row_number(quarter + 1, ids, 0x7800), self.world.draws.key("record id")
            ),
            "event_time": event_time,
            "customer": decimal(ids, 8, "C"),
            "open_loans": record["open_loans"],
            "overdue": record["overdue"],
            "enquiries": record["enquiries"],
            "worst_late": np.where(field(words, 8, 8) < 25, MISSING, record["worst_late"]),
            "debt": np.where(field(words, 16, 8) < 20, MISSING, record["debt"]),
            "currency": np.full(len(ids), b"EUR"),
            "known_time": event_time + DAY,
        }
        return {name: values[kept] for name, values in columns.items()}

    def labels(self, first: int, after: int) -> Iterator[Columns]:
        """Yield the Label rows of loans applied for on the days [first, after).

        A default is known the day after it is 90 days late; that there was none, the day after
        the performance window has passed.
        """
        window = self.world.parameters.performance_days
        for book in self._parts(self.lending.loans, first, after):
            ids = book.customer.astype(np.int64)
            start, default = book.start.astype(np.int64), book.default.astype(np.int64)
            asked = self.lending.asked(
                ids, book.slot.astype(np.int64), self.people.traits.take(ids)
            )
            bad = default - start <= window
            known = np.where(bad, default, start + window) + 1
            yield {
                "id": scrambled(self._rows(book), self.world.draws.key("loan label id")),
                "event_time": self.world.instant(asked.day) + asked.second * SECOND,
                "customer": decimal(ids, 8, "C"),
                "payment": np.full(len(ids), b"", dtype="S16"),
                "application": self.application_ids(book),
                "fraud": np.full(len(ids), MISSING),
                "default": bad.astype(np.int64),
                "known_time": self.world.instant(known) + 5 * 3600 * SECOND,
            }

    def _parts(self, book: Book, first: int, after: int) -> Iterator[Book]:
        """Yield the applications of a range of days in parts."""
        low, high = np.searchsorted(book.day, [first, after])
        for start in range(int(low), int(high), _BATCH):
            yield book.take(slice(start, min(start + _BATCH, int(high))))

    def _rows(self, book: Book) -> Ints:
        slot = book.slot.astype(np.int64)
        return row_number(book.day.astype(np.int64), book.customer.astype(np.int64), slot)

    def application_ids(self, book: Book) -> Bytes:
        """Return the ids of applications."""
        return scrambled(self._rows(book), self.world.draws.key("application id"))

    def ids(self, book: Book) -> Bytes:
        """Return the ids of the loans that came of applications."""
        return scrambled(self._rows(book), self.world.draws.key("loan id"))
