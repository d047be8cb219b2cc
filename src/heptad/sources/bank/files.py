# SPDX-License-Identifier: Apache-2.0
"""What the bank hands over: files in many formats, a database, and the project file for them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.sources.bank.binding import project_text
from heptad.sources.bank.database import write_database
from heptad.sources.bank.dirt import CODE_OF
from heptad.sources.bank.feeds import Feed, Online, Statements, Terminals, opened
from heptad.sources.bank.rendering import amounts, compact_days, decimals, integers, iso
from heptad.sources.bank.world import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from heptad.sources.bank import Bank
    from heptad.sources.bank.world import Columns

_FLAGS = {0: b"false", 1: b"true", MISSING: b""}


@dataclass(slots=True)
class Exports:
    """What was written, and the dirt in it.

    Attributes:
        files: paths, in the order written.
        rows: source → records written, headers not counted.
        dirt: source → kind of dirt → records; exact.
    """

    files: list[Path] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    dirt: dict[str, dict[str, int]] = field(default_factory=dict)

    def refused(self, source: str) -> Counter[str]:
        """Return how many records of a source must be quarantined, by code of the reason."""
        found = Counter[str]()
        for kind, count in self.dirt.get(source, {}).items():
            if kind in CODE_OF and count:
                found[CODE_OF[kind]] += count
        return found


def write_exports(bank: Bank, folder: Path, *, dirty: bool = True) -> Exports:
    """Write all that was known before the end of the history into a folder.

    The same bank writes the same bytes, given the same releases of zlib, SQLite and pyarrow.

    Args:
        bank: the simulated bank.
        folder: made if it is not there; files of the same names are replaced.
        dirty: whether to spoil records and to correct and delete some.

    Returns:
        The files, their numbers of records, and the exact counts of dirt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    out = Exports()
    _write_feeds(bank, folder, out, dirty=dirty)
    for name, table, form in _SMALL:
        path = folder / name
        with opened(path) as file:
            lines = 0
            for number, batch in enumerate(bank.table(table)):
                kept = np.flatnonzero(batch["known_time"] < bank.world.end)
                written = form({n: v[kept] for n, v in batch.items()}, first=number == 0)
                file.write(b"".join(line + _END[form] for line in written))
                lines += len(kept)
        out.files.append(path)
        out.rows[name.partition(".")[0]] = lines
    _write_repayments(bank, folder / "repayments.parquet", out)
    core = folder / "core.sqlite"
    tables, counts = write_database(bank, core, dirty=dirty)
    out.files.append(core)
    out.rows |= tables
    out.dirt |= {name: dict(found) for name, found in counts.items()}
    project = folder / "heptad.toml"
    project.write_text(project_text(bank), encoding="utf-8", newline="\n")
    out.files.append(project)
    return out


def _write_feeds(bank: Bank, folder: Path, out: Exports, *, dirty: bool) -> None:
    """Write the monthly files, day by day."""
    payments: list[Feed] = [kind(bank.world, folder, dirty=dirty) for kind in (Terminals, Online)]
    transfers: list[Feed] = [Statements(bank.world, folder, dirty=dirty)]
    for feeds, stream in ((payments, bank.payments), (transfers, bank.transfers)):
        for day in range(bank.days):
            for batch in stream(day, day + 1):
                for feed in feeds:
                    feed.add(batch)
            for feed in feeds:
                feed.end_day(day)
        for feed in feeds:
            feed.close()
            out.files += feed.files
            out.rows[feed.name] = feed.rows
            out.dirt[feed.name] = dict(feed.dirt.counts)


def _write_repayments(bank: Bank, path: Path, out: Exports) -> None:
    """Write the repayments as Parquet with real types: decimals and instants."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    cents = pa.decimal128(18, 2)
    schema = pa.schema(
        [
            ("id", pa.string()), ("event_time", pa.timestamp("us", "UTC")), ("loan", pa.string()),
            ("customer", pa.string()), ("due", cents), ("paid", cents), ("currency", pa.string()),
            ("days_late", pa.int64()), ("known_time", pa.timestamp("us", "UTC")),
        ]
    )  # fmt: skip
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in bank.table("Repayment"):
            kept = np.flatnonzero(batch["known_time"] < bank.world.end)
            columns = [_arrow(batch[f.name][kept], f.type) for f in schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            rows += len(kept)
    out.files.append(path)
    out.rows["repayments"] = rows


def _arrow(values: NDArray[Any], kind: Any) -> Any:
    """Return a column as an Arrow array of a type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if values.dtype.kind == "S":
        return pa.array(values.tolist(), pa.binary()).cast(kind)
    numbers = pa.array(values, mask=values == MISSING)
    if pa.types.is_decimal(kind):
        return pc.multiply(numbers.cast(pa.decimal128(19, 0)), Decimal("0.01")).cast(kind)
    return numbers.cast(kind)


def _merchants(batch: Columns, *, first: bool) -> Iterable[bytes]:
    """Tab-separated, without a header, in Latin-1."""
    del first
    names = [name.encode("latin-1") for name in batch["name"].tolist()]
    cities = [name.encode("latin-1") for name in batch["city"].tolist()]
    return _joined(
        b"\t", batch["id"].tolist(), iso(batch["event_time"]).tolist(),
        batch["company"].tolist(), names, batch["category"].tolist(), batch["country"].tolist(),
        cities, decimals(batch["place_lat"], 7), decimals(batch["place_lon"], 7),
    )  # fmt: skip


def _bureau(batch: Columns, *, first: bool) -> Iterable[bytes]:
    """Bars between fields, days without separators, CR LF."""
    head = [b"REPORT|DAY|CUSTOMER|OPEN|OVERDUE|ENQUIRIES|WORST|DEBT"] if first else []
    numbers = (integers(batch[n]) for n in ("open_loans", "overdue", "enquiries", "worst_late"))
    return head + _joined(
        b"|", batch["id"].tolist(), compact_days(batch["event_time"]).tolist(),
        batch["customer"].tolist(), *numbers, amounts(batch["debt"], batch["currency"]),
    )  # fmt: skip


def _labels(batch: Columns, *, first: bool) -> Iterable[bytes]:
    """Commas and a header, with the instant at which each label became known."""
    names = b"id,event_time,customer,payment,application,fraud,default,known_time"
    flags = ([_FLAGS[v] for v in batch[n].tolist()] for n in ("fraud", "default"))
    return ([names] if first else []) + _joined(
        b",", batch["id"].tolist(), iso(batch["event_time"]).tolist(), batch["customer"].tolist(),
        batch["payment"].tolist(), batch["application"].tolist(), *flags,
        iso(batch["known_time"]).tolist(),
    )  # fmt: skip


def _consents(batch: Columns, *, first: bool) -> Iterable[bytes]:
    """JSON Lines."""
    del first
    form = (
        b'{"id":"%s","since":"%s","customer":"%s","purpose":"%s","scope":"%s","mode":"%s",'
        b'"status":"%s"}'
    )
    names = ("customer", "purpose", "scope", "mode", "status")
    columns = (batch["id"].tolist(), iso(batch["event_time"]).tolist())
    found = zip(*columns, *(batch[n].tolist() for n in names), strict=True)
    return [form % values for values in found]


def _rates(batch: Columns, *, first: bool) -> Iterable[bytes]:
    """Commas and a header."""
    return ([b"id,event_time,base,quote,rate"] if first else []) + _joined(
        b",", batch["id"].tolist(), iso(batch["event_time"]).tolist(), batch["base"].tolist(),
        batch["quote"].tolist(), decimals(batch["rate"], 9),
    )  # fmt: skip


def _joined(separator: bytes, *columns: Sequence[bytes]) -> list[bytes]:
    return [separator.join(record) for record in zip(*columns, strict=True)]


_SMALL: tuple[tuple[str, str, Callable[..., Iterable[bytes]]], ...] = (
    ("merchants.tsv", "Merchant", _merchants),
    ("bureau.csv", "CreditRecord", _bureau),
    ("labels.csv", "Label", _labels),
    ("consents.jsonl.gz", "Consent", _consents),
    ("rates.csv", "Rate", _rates),
)
_END = {form: b"\r\n" if form is _bureau else b"\n" for _, __, form in _SMALL}
