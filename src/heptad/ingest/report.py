# SPDX-License-Identifier: Apache-2.0
"""What a load did, or would do, as plain data."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NEW, CHANGED, GONE, DUPLICATE, REJECTED = "new", "changed", "gone", "duplicate", "rejected"
"""What may become of a posted row: the first of its key, a new version of a known row, a deletion
of a row that was not known, the same as what is stored, refused."""
_STORED = frozenset({NEW, CHANGED, GONE})


@dataclass(frozen=True, slots=True)
class Finding:
    """A change of what a source brings, against its last load.

    Attributes:
        column: of the source or of the table; "" for the source as a whole.
        says: what changed and what to do, as a sentence.
        psi: population stability index; None for a change of the schema.
    """

    column: str
    says: str
    psi: float | None = None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of one source's rows.

    Attributes:
        source: name of the source.
        table: name of the table.
        load: number of the load; None if there was nothing to load, or for a plan.
        plan: whether nothing was written.
        known: how known_time was set: mapped, assumed (history) or arrival.
        files: the files read.
        skipped: files whose content was loaded before.
        read: records read.
        accepted: rows stored.
        quarantined: reason → rows set aside.
        duplicates: rows dropped because the table holds the same.
        corrections: rows among the accepted that are a new version of a known row.
        deletions: rows among the accepted that say that a row is gone.
        rounded: numbers that had more decimals than their field.
        version: the table's version after it; None if there is none yet.
        seconds: how long it took.
        findings: what changed since the source's last load.
    """

    source: str
    table: str
    load: int | None = None
    plan: bool = False
    known: str = ""
    files: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    read: int = 0
    accepted: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    corrections: int = 0
    deletions: int = 0
    rounded: int = 0
    version: int | None = None
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()

    @property
    def rows_per_second(self) -> float:
        """Records read per second."""
        return self.read / self.seconds if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self) | {"rows_per_second": round(self.rows_per_second)}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was posted and refused.

    Attributes:
        line: its number among the rows posted, from 1.
        key: its key, if it had one.
        reason: code of the reason.
        field: the field concerned; "" if none.
        says: why, as a sentence.
        do: what to do about it.
    """

    line: int
    key: str | None
    reason: str
    field: str
    says: str
    do: str


@dataclass(frozen=True, slots=True)
class RowsReport:
    """What became of rows that were posted.

    Attributes:
        table: name of the table.
        load: number of the load; None if there were no rows.
        accepted: keys of the rows stored, in the order in which they were posted.
        duplicates: keys of the rows that were stored before, unchanged.
        corrections: how many of the accepted are a new version of a known row.
        rejected: the rows refused.
        version: the table's version that holds them all.
        became: per row posted, in order, what became of it.
    """

    table: str
    load: int | None = None
    accepted: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    corrections: int = 0
    rejected: tuple[Rejected, ...] = ()
    version: int | None = None
    became: tuple[str, ...] = ()

    @property
    def opened(self) -> tuple[str, ...]:
        """Keys of the accepted rows that the table held no row of before."""
        stored = [became for became in self.became if became in _STORED]
        return tuple(k for k, b in zip(self.accepted, stored, strict=True) if b == NEW)

    def parts(self, sizes: Sequence[int]) -> list[RowsReport]:
        """Return what became of the first rows, of those after them, and so on.

        Args:
            sizes: how many rows each part has; together all rows.
        """
        accepted, duplicates, found, start = iter(self.accepted), iter(self.duplicates), [], 0
        for size in sizes:
            became = self.became[start : start + size]
            counts = Counter(became)
            found.append(
                replace(
                    self,
                    accepted=tuple(islice(accepted, sum(counts[x] for x in _STORED))),
                    duplicates=tuple(islice(duplicates, counts[DUPLICATE])),
                    corrections=counts[CHANGED],
                    rejected=tuple(
                        replace(r, line=r.line - start)
                        for r in self.rejected
                        if start < r.line <= start + size
                    ),
                    became=became,
                )
            )
            start += size
        return found
