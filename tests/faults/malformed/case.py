# SPDX-License-Identifier: Apache-2.0
"""What a malformed input is, and what must become of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

HEAD = "id,event_time,customer,amount,currency,status"
GOOD = "p1,2025-06-01T10:00:00Z,c1,1.00,EUR,authorised"
"""A payment that passes all checks."""

RATES = "id,event_time,base,quote,rate"
ORDERS = "id,event_time,customer,quantity,amount,currency"
CARDS = "id,event_time,customer,number,status"
PEOPLE = "id,event_time,name,birth,phone,income,currency,home_lat,home_lon"


@dataclass(frozen=True)
class Refused:
    """Nothing is loaded: an error of this code whose text has these words."""

    code: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """So many rows are stored, so many dropped as duplicates, the others refused by reason."""

    rows: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0


@dataclass(frozen=True)
class Case:
    """One malformed input.

    Attributes:
        name: what is wrong with it.
        given: content of the file, or what makes it in the folder `in/`; None if there is none.
        wants: what must become of it.
        source: further lines of its `[[source]]`.
        file: name of the file.
        table: what it is bound to.
        origin: what the source names.
        project: the whole project file; "" makes one of the above.
        secrets: texts that stand in no error, report or stored file.
        changing: appended to the file while it is read.
        large: makes the file in a folder, in another process.
    """

    name: str
    given: bytes | str | Callable[[Path], object] | None
    wants: Refused | Loaded
    source: str = ""
    file: str = "a.csv"
    table: str = "Payment"
    origin: str = "in/*"
    project: str | bytes = ""
    secrets: tuple[str, ...] = ()
    changing: bytes = b""
    large: Callable[[Path], object] | None = None

    def text(self) -> str | bytes:
        """Return the project file."""
        bound = f'[[source]]\nname = "case"\ntable = "{self.table}"\nfrom = "{self.origin}"\n'
        return self.project or bound + self.source

    def write(self, folder: Path) -> object:
        """Make the file; return what holds it open, if anything does."""
        if callable(self.given):
            return self.given(folder)
        if self.given is not None:
            data = self.given
            (folder / self.file).write_bytes(data.encode() if isinstance(data, str) else data)
        return None


@dataclass(frozen=True)
class Posting:
    """One malformed body posted to a table: NDJSON, or JSON if `kind` says so."""

    name: str
    given: bytes | str | Callable[[], bytes | str]
    wants: Refused | Loaded
    table: str = "Rate"
    kind: str = "application/x-ndjson"
    secrets: tuple[str, ...] = ()
    changing: bytes = b""


def large(name: str, make: Callable[[Path], object], wants: Refused | Loaded) -> Case:
    """Return a case of a file that takes much memory to make."""
    return Case(name, None, wants, large=make)


_numbers = count(1000)


def fresh() -> int:
    """Return a number for a key that no other case has, so that cases share a project."""
    return next(_numbers)


def refused(code: str, *words: str) -> Refused:
    """Want an error of a code, with words."""
    return Refused(code, words)


def loaded(rows: int, *, duplicates: int = 0, **reasons: int) -> Loaded:
    """Want so many rows stored, and so many refused by reason."""
    return Loaded(rows, reasons, duplicates)


def lines(*rows: str, head: str = HEAD) -> str:
    """Return a CSV with a header."""
    return "\n".join([head, *rows]) + "\n"


def payment(n: int = 1, **fields: str) -> str:
    """Return the CSV line of a payment with some fields changed."""
    row = dict(zip(HEAD.split(","), GOOD.split(","), strict=True)) | {"id": f"p{n}"} | fields
    return ",".join(row.values())
