# SPDX-License-Identifier: Apache-2.0
"""Messages of a broker as rows: JSON objects, each with what its carrier says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import pyarrow as pa

from heptad.sources.jsonl import read_line
from heptad.sources.reading import SHOWN_TEXT, Meter, bad_rows, check_columns, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heptad.sources.reading import InputFile

MOST_MESSAGES = 50_000
"""Messages of one load; what is left comes with the next."""
MOST_BYTES = 64 << 20
_GROUP = 10_000


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        line: where it stands, as `Reading` numbers lines.
        body: a JSON object; None if the carrier says that a row is gone.
        about: columns that the carrier adds.
    """

    line: int
    body: bytes | None
    about: Mapping[str, str | None] = field(default_factory=dict)


@runtime_checkable
class Acknowledges(Protocol):
    """A reading that its source is told of once its rows are stored."""

    def landed(self) -> None:
        """Tell the source that what was read is stored; it may be told again after a kill."""
        ...


class Messages:
    """Messages that were fetched, as a reading.

    What is no JSON object is set aside with its reason and text, and stops no other.

    Args:
        messages: as they came.
        wanted: columns that there are, whether a message has them or not.
        place: for errors.

    Raises:
        InputError: if the names in them cannot be columns.
    """

    files: tuple[InputFile, ...] = ()
    watermark: str | None = None

    def __init__(self, messages: Sequence[Message], wanted: Sequence[str], place: str) -> None:
        self.meter = Meter()
        self._good: list[tuple[Message, dict[str, str | None]]] = []
        self._bad: list[tuple[Message, str]] = []
        names: dict[str, None] = dict.fromkeys(wanted)
        for message in messages:
            row, fault = read_line(message.body) if message.body is not None else ({}, "")
            self.meter.bytes += len(message.body or b"")
            if fault:
                self._bad.append((message, fault))
            else:
                self._good.append((message, {**row, **message.about}))
                names |= dict.fromkeys(self._good[-1][1])
        self.columns = check_columns(list(names), place) if names else ("message",)

    @property
    def empty(self) -> bool:
        """Whether nothing came."""
        return not self._good and not self._bad

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows; see `Reading.batches`."""
        for start in range(0, len(self._good), _GROUP):
            yield self._rows(self._good[start : start + _GROUP])
        if self._bad:
            lines = [message.line for message, _ in self._bad]
            texts = [(m.body or b"")[:SHOWN_TEXT].decode(errors="backslashreplace")
                     for m, _ in self._bad]  # fmt: skip
            yield bad_rows(self.columns, lines, [fault for _, fault in self._bad], texts)

    def close(self) -> None:
        """Nothing is held open."""

    def _rows(self, rows: Sequence[tuple[Message, dict[str, str | None]]]) -> pa.RecordBatch:
        columns = [pa.array([row.get(n) or None for _, row in rows], pa.string())
                   for n in self.columns]  # fmt: skip
        lines = pa.array([message.line for message, _ in rows], pa.int64())
        raws = pa.array([(m.body or b"").decode() for m, _ in rows], pa.string())
        absent = pa.nulls(len(rows), pa.string())
        return pa.RecordBatch.from_arrays(
            [*columns, lines, absent, raws], schema=schema_of(self.columns)
        )
