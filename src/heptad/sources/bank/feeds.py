# SPDX-License-Identifier: Apache-2.0
"""The large exports, one file a month of booking: card payments, online payments, transfers."""

from __future__ import annotations

import gzip
from collections import defaultdict
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

import numpy as np

from heptad.sources.bank import dirt
from heptad.sources.bank.dirt import Dirt, Layout, Record
from heptad.sources.bank.draws import below
from heptad.sources.bank.rendering import ambiguous, amounts, decimals, grouped, iso, local
from heptad.sources.bank.world import DAY, SECOND, Columns, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from heptad.sources.bank.draws import Bools, Ints

Lines: TypeAlias = list[bytes]

_HOUR = 3600 * SECOND
_CODES = {b"authorised": b"A", b"declined": b"D", b"reversed": b"R"}
_PAYMENT_FAULTS = {
    dirt.BAD_DATE: 1300,
    dirt.UNKNOWN_COUNTRY: 1200,
    dirt.UNKNOWN_CURRENCY: 900,
    dirt.NEGATIVE: 1200,
    dirt.MALFORMED: 1400,
    dirt.NO_KEY: 900,
    dirt.COLUMNS: 1100,
    dirt.BAD_CARD: 1300,
    dirt.DUPLICATE: 2400,
    dirt.CONFLICT: 300,
}
_ONLINE_FAULTS = _PAYMENT_FAULTS | {dirt.ENCODING: 400}
_TRANSFER_FAULTS = {
    dirt.BAD_DATE: 500,
    dirt.NO_KEY: 300,
    dirt.BROKEN: 300,
    dirt.DUPLICATE: 1500,
}


class Feed:
    """One export that is cut into monthly files by the day on which its rows were booked.

    Args:
        world: of the bank.
        folder: where the files go.
        dirty: whether to spoil records.
    """

    name = ""
    ending = ".csv.gz"
    header = b""
    separator = b","
    layout = Layout()
    faults: Mapping[str, int] = MappingProxyType({})

    def __init__(self, world: World, folder: Path, *, dirty: bool) -> None:
        self.world, self.folder, self.dirty = world, folder, dirty
        self.dirt = Dirt(world.draws, self.name, self.layout, self.faults if dirty else {})
        self.files: list[Path] = []
        self.rows = 0
        self._waiting: dict[int, Lines] = defaultdict(list)
        self._month, self._file = "", cast("BinaryIO | None", None)

    def wanted(self, batch: Columns) -> Bools:
        """Tell which rows of a batch this feed exports."""
        return np.ones(len(batch["id"]), dtype=np.bool_)

    def fields(self, batch: Columns) -> Sequence[Iterable[bytes]]:
        """Return the columns of a batch as text."""
        raise NotImplementedError

    def line(self, record: Sequence[bytes]) -> bytes:
        """Return a record as a line."""
        return self.separator.join(record)

    def changes(self, batch: Columns, records: Sequence[Sequence[bytes]]) -> None:
        """Book corrections and deletions of rows of a batch for a later day."""

    def add(self, batch: Columns) -> None:
        """Take the rows of a batch of one day; what is booked later waits for its day."""
        kept = np.flatnonzero(self.wanted(batch) & (batch["known_time"] < self.world.end))
        batch = {name: values[kept] for name, values in batch.items()}
        records = list(zip(*self.fields(batch), strict=True))
        booked = (batch["known_time"] - self.world.start) // DAY
        lines: list[Lines] = [[self.line(record)] for record in records]
        for at, reason, variant in self._spoilt(batch):
            written = self.dirt.spoil(records[at], reason, variant)
            lines[at] = [self.line(record) for record in written]
        for day, group in zip(booked.tolist(), lines, strict=True):
            self._waiting[day] += group
        late = int((batch["known_time"] - batch["event_time"] >= 6 * _HOUR).sum())
        self.dirt.counts[dirt.LATE] += late
        self.changes(batch, records)

    def end_day(self, day: int) -> None:
        """Write what is booked on a day; nothing can be booked on it any more."""
        lines = self._waiting.pop(day, [])
        month = self.world.date(day).strftime("%Y-%m")
        if month != self._month:
            self.close()
            self._open(month)
        if lines and self._file is not None:
            self.rows += len(lines)
            self._file.write(b"\n".join(lines) + b"\n")

    def close(self) -> None:
        """End the file of the month."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, month: str) -> None:
        path = self.folder / f"{self.name}_{month}{self.ending}"
        self.files.append(path)
        self._month, self._file = month, opened(path)
        if self.header:
            self._file.write(self.header + b"\n")

    def _spoilt(self, batch: Columns) -> list[tuple[int, str, int]]:
        return self.dirt.chosen(batch["id"]) if len(batch["id"]) else []


class Terminals(Feed):
    """Payments at terminals and cash machines: semicolons, decimal commas, local time."""

    name = "terminals"
    separator = b";"
    header = b"TX_ID;TS;CUST;MERCH;CTRY;AMT;CCY;PAN;CHNL;STAT;LAT;LON;BOOKED"
    layout = Layout(key=0, time=1, country=4, amount=5, currency=6, card=7)
    faults = _PAYMENT_FAULTS

    def wanted(self, batch: Columns) -> Bools:
        """Tell which payments were made at a terminal or a cash machine."""
        return np.isin(batch["channel"], (b"terminal", b"atm"))

    def fields(self, batch: Columns) -> Sequence[Iterable[bytes]]:
        """Return the columns of `header`."""
        channel = np.where(batch["channel"] == b"atm", b"ATM", b"POS")
        return (
            batch["id"].tolist(), local(batch["event_time"]).tolist(), batch["customer"].tolist(),
            batch["merchant"].tolist(), batch["country"].tolist(),
            grouped(batch["amount"], batch["currency"]), batch["currency"].tolist(),
            batch["card"].tolist(), channel.tolist(),
            [_CODES[status] for status in batch["status"].tolist()],
            decimals(batch["place_lat"], 7, b","), decimals(batch["place_lon"], 7, b","),
            iso(batch["known_time"]).tolist(),
        )  # fmt: skip

    def _spoilt(self, batch: Columns) -> list[tuple[int, str, int]]:
        """Leave rows whose local time is ambiguous alone: they have their fault already."""
        twice = ambiguous(batch["event_time"])
        if self.dirty and twice.any():
            self.dirt.counts[dirt.AMBIGUOUS] += int(twice.sum())
        return [found for found in super()._spoilt(batch) if not twice[found[0]]]


class Online(Feed):
    """Payments in shops on the net and by telephone: commas, UTC, corrections and deletions."""

    name = "online"
    ending = ".csv"
    header = (
        b"id,event_time,customer,merchant,country,amount,currency,card,device,channel,status,"
        b"booked,op"
    )
    layout = Layout(key=0, time=1, country=4, amount=5, currency=6, card=7)
    faults = _ONLINE_FAULTS
    _corrected, _deleted = 2_500, 600

    def wanted(self, batch: Columns) -> Bools:
        """Tell which payments were made online or by telephone."""
        return np.isin(batch["channel"], (b"online", b"wallet"))

    def fields(self, batch: Columns) -> Sequence[Iterable[bytes]]:
        """Return the columns of `header`."""
        return (
            batch["id"].tolist(), iso(batch["event_time"]).tolist(), batch["customer"].tolist(),
            batch["merchant"].tolist(), batch["country"].tolist(),
            amounts(batch["amount"], batch["currency"]), batch["currency"].tolist(),
            batch["card"].tolist(), batch["device"].tolist(), batch["channel"].tolist(),
            batch["status"].tolist(), iso(batch["known_time"]).tolist(),
            [b"N"] * len(batch["id"]),
        )  # fmt: skip

    def changes(self, batch: Columns, records: Sequence[Sequence[bytes]]) -> None:
        """Correct the amounts of some payments days later, and take some back."""
        if not self.dirty or not records:
            return
        spoilt = {at for at, _, _ in self._spoilt(batch)}
        words = self.world.draws.of("change", self.dirt.words(batch["id"]).view(np.int64))
        fate = below(words, 1_000_000)
        delay = 3600 + below(words << np.uint64(20), 9 * 86_400)
        known = batch["known_time"] + delay * SECOND
        changed = (fate < self._corrected + self._deleted) & (known < self.world.end)
        for at in np.flatnonzero(changed).tolist():
            if at not in spoilt:
                self._change(records[at], known[at : at + 1], corrected=fate[at] < self._corrected)

    def _change(self, record: Sequence[bytes], known: Ints, *, corrected: bool) -> None:
        """Book a later version of a record."""
        later: Record = list(record)
        later[11] = iso(known)[0]
        later[12] = b"C" if corrected else b"D"
        if corrected:
            later[5] = b"1" + later[5]
        self.dirt.counts[dirt.CORRECTION if corrected else dirt.DELETION] += 1
        self._waiting[int((known[0] - self.world.start) // DAY)].append(self.line(later))


class Statements(Feed):
    """Transfers as JSON Lines."""

    name = "transfers"
    ending = ".jsonl.gz"
    layout = Layout(key=0, time=1, amount=6)
    faults = _TRANSFER_FAULTS
    _form = (
        b'{"id":"%s","booked":"%s","customer":"%s","account":"%s","counterparty":"%s",'
        b'"direction":"%s","amount":%s,"currency":"%s","kind":"%s"}'
    )

    def fields(self, batch: Columns) -> Sequence[Iterable[bytes]]:
        """Return the values of the objects, in the order of their keys."""
        return (
            batch["id"].tolist(), iso(batch["event_time"]).tolist(), batch["customer"].tolist(),
            batch["account"].tolist(), batch["counterparty"].tolist(),
            batch["direction"].tolist(), amounts(batch["amount"], batch["currency"]),
            batch["currency"].tolist(), batch["kind"].tolist(),
        )  # fmt: skip

    def line(self, record: Sequence[bytes]) -> bytes:
        """Return a record as a JSON object; one without all its fields is cut off."""
        if len(record) == 9:
            return self._form % tuple(record)
        return (self._form % tuple((*record, b"", b"")[:9]))[:-20]


def opened(path: Path) -> BinaryIO:
    """Open a file for writing; a gzip file gets no time, so that its bytes are the same again."""
    if path.suffix != ".gz":
        return path.open("wb")
    return cast("BinaryIO", gzip.GzipFile(path, "wb", 3, mtime=0))
