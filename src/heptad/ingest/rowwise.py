# SPDX-License-Identifier: Apache-2.0
"""One clean row checked at once, without a query: what it accepts, the batch checks accept alike.

It knows only the plainest way to write each value. Whatever is written otherwise, whether wrong or
merely unusual, is left to the batch checks, which alone refuse rows and say why.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from heptad.ingest.rules import LONGEST
from heptad.security.tokens import is_pan
from heptad.standards.fields import Code, Day, Flag, Instant, Integer, Money, Number, Place, Text
from heptad.standards.money import CURRENCIES
from heptad.standards.time import EARLIEST, EPOCH, LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from heptad.standards.fields import Field
    from heptad.standards.tables import Table

    Cells = Mapping[str, str | None]
    Row = dict[str, Any]
    Read = Callable[[str], Any]

_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:Z|\+00:00)", re.ASCII
)
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"(-?)(\d{1,13})(?:\.(\d{1,12}))?", re.ASCII)
_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?", re.ASCII)
"""Printable ASCII that neither begins nor ends with a space: it is stored as it stands."""
_PHONE = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_MOST_DECIMALS = 8
_US = 1_000_000


class Unusual(Exception):
    """A row that only the batch checks can judge."""


class RowCheck:
    """The checks of one table, compiled.

    Args:
        table: an event table of which nothing is sealed; see `fits`.
    """

    def __init__(self, table: type[Table]) -> None:
        self._names = {c.name for f in table.fields.values() for c in f.columns()}
        money = [f for f in table.fields.values() if isinstance(f, Money)]
        others = [f for f in table.fields.values() if not isinstance(f, Money)]
        self._steps = [_step(field) for field in (*others, *money)]

    @staticmethod
    def fits(table: type[Table]) -> bool:
        """Tell whether rows of a table can be checked so."""
        return not table.state and not table.sealed()

    def __call__(self, cells: Cells) -> Row:
        """Return the typed row, as the batch checks would give it.

        Args:
            cells: text by column, null or empty for no value.

        Returns:
            Physical column → value: text, int (instants as microseconds, amounts in minor units),
            `date`, bool or None. Card numbers are still in clear.

        Raises:
            Unusual: if the row is not plainly right.
        """
        if not self._names.issuperset(cells):
            raise Unusual
        row: Row = {}
        for step in self._steps:
            step(cells, row)
        return row


def _step(field: Field) -> Callable[[Cells, Row], None]:
    """Return what reads the columns of a field."""
    if isinstance(field, Money):
        return _money(field)
    if isinstance(field, Place):
        return _place(field)
    name, optional, read = field.name, field.optional, _reader(field)

    def step(cells: Cells, row: Row) -> None:
        text = cells.get(name)
        if text:
            row[name] = read(text)
        elif optional:
            row[name] = None
        else:
            raise Unusual

    return step


def _reader(field: Field) -> Read:  # noqa: C901, PLR0911 - one line per kind
    """Return what reads one value."""
    if isinstance(field, Code):
        return _code(field.codes)
    if isinstance(field, Text) and field.pan:
        return _card
    if isinstance(field, Instant):
        return _instant
    if isinstance(field, Day):
        return _day
    if isinstance(field, Flag):
        return _flag
    if isinstance(field, Integer):
        return _bounded(_integer, field.ge, field.le)
    if isinstance(field, Number):
        ge, le = (None if b is None else b * 10**field.scale for b in (field.ge, field.le))
        return _bounded(_scaled(field.scale), ge, le)
    if isinstance(field, Text) and (field.name == "phone" or field.name.endswith("_phone")):
        return _phone
    return _text(field.max_length if isinstance(field, Text) else LONGEST)


def _bounded(read: Read, ge: int | None, le: int | None) -> Read:
    """Let only values within bounds through, in the stored unit."""

    def bounded(text: str) -> Any:
        value = read(text)
        if (ge is not None and value < ge) or (le is not None and value > le):
            raise Unusual
        return value

    return bounded


def _code(codes: frozenset[str]) -> Read:
    def read(text: str) -> str:
        if text not in codes:
            raise Unusual
        return text

    return read


def _text(most: int) -> Read:
    def read(text: str) -> str:
        if len(text) > most or not _PLAIN.fullmatch(text):
            raise Unusual
        return text

    return read


def _phone(text: str) -> str:
    if not _PHONE.fullmatch(text):
        raise Unusual
    return text


def _card(text: str) -> str:
    if not is_pan(text):
        raise Unusual
    return text


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise Unusual
    return text == "true"


def _integer(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise Unusual
    return int(text)


def _instant(text: str) -> int:
    found = _INSTANT.fullmatch(text)
    if not found:
        raise Unusual
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    try:
        whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - EPOCH
    except ValueError:
        raise Unusual from None
    us = (whole.days * 86_400 + whole.seconds) * _US + int((found[7] or "").ljust(6, "0"))
    if not EARLIEST <= us <= LATEST:
        raise Unusual
    return us


def _day(text: str) -> date:
    found = _DAY.fullmatch(text)
    if not found:
        raise Unusual
    try:
        return date(*map(int, found.groups()))
    except ValueError:
        raise Unusual from None


def _scaled(scale: int) -> Callable[[str], int]:
    """Return what reads a number with at most `scale` decimals, exactly."""

    def read(text: str) -> int:
        found = _DECIMAL.fullmatch(text)
        if not found or scale > _MOST_DECIMALS:
            raise Unusual
        sign, whole, decimals = found[1], found[2], found[3] or ""
        if len(decimals) > scale or len(whole) + scale > 18:
            raise Unusual
        value = int(whole + decimals.ljust(scale, "0"))
        return -value if sign else value

    return read


def _money(field: Money) -> Callable[[Cells, Row], None]:
    """Return what reads an amount, once its currency was read."""
    name, currency, optional = field.name, field.currency, field.optional
    readers = {
        exponent: _bounded(_scaled(exponent), *(_minor(b, exponent) for b in (field.ge, field.le)))
        for exponent in set(CURRENCIES.values())
    }

    def step(cells: Cells, row: Row) -> None:
        text, code = cells.get(name), row.get(currency)
        if not text:
            if not optional:
                raise Unusual
            row[name] = None
            return
        if code is None:
            raise Unusual
        row[name] = readers[CURRENCIES[code]](text)

    return step


def _minor(bound: int | None, exponent: int) -> int | None:
    return None if bound is None else bound * 10**exponent


def _place(field: Place) -> Callable[[Cells, Row], None]:
    """Return what reads a place: both coordinates, or neither."""
    scaled, ten = _scaled(Place.SCALE), 10**Place.SCALE
    parts = [
        (f"{field.name}_lat", _bounded(scaled, -90 * ten, 90 * ten)),
        (f"{field.name}_lon", _bounded(scaled, -180 * ten, 180 * ten)),
    ]
    optional = field.optional

    def step(cells: Cells, row: Row) -> None:
        texts = [cells.get(name) for name, _ in parts]
        if not any(texts) and optional:
            row.update((name, None) for name, _ in parts)
        elif all(texts):
            row.update(
                (name, read(text or "")) for (name, read), text in zip(parts, texts, strict=True)
            )
        else:
            raise Unusual

    return step
