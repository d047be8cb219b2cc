# SPDX-License-Identifier: Apache-2.0
"""Repairing one refused row: some of its cells are written anew, and it is read like a source."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from heptad.catalog.files import SourceFile
from heptad.catalog.retrying import Again, Refused, known_of, source_of, stays
from heptad.catalog.running import Order
from heptad.catalog.staging import Staging
from heptad.ingest.reasons import REASONS, explain
from heptad.sources.cells import parse_object
from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from heptad.catalog.loading import Loading
    from heptad.catalog.staging import Job
    from heptad.ingest.quarantine import Quarantine, Refusal
    from heptad.ingest.report import LoadReport


class Place(NamedTuple):
    """Where a refused row came from: the load that refused it, its file and its record there."""

    load: int
    file: str
    line: int


class Repair(NamedTuple):
    """What became of a repaired row, or would.

    Attributes:
        report: of its load; for a check only, of the plan.
        reasons: why it is refused still: {field, reason, sentence, do} each; none if it passes.
    """

    report: LoadReport
    reasons: list[dict[str, str]]


def repair(
    loading: Loading, table: str, place: Place, cells: Mapping[str, str], *, check: bool
) -> Repair:
    """Try a refused row with other cells; the row as it came is gone once that is done.

    Refused again it waits as it was written; whatever a kill leaves undone, nothing is lost and
    nothing is stored twice.

    Args:
        loading: the stores.
        table: name of the table.
        place: which row.
        cells: column of the source → what is to stand there; "" for nothing.
        check: only say what would happen.

    Raises:
        UnknownName: if no such row waits, or the source has no such column.
        ContractError: if no change can cure it.
    """
    path = loading.quarantine.path(table, place.load)
    row = _find(loading.quarantine, path, place)
    reading = _Repaired(loading.quarantine, path, row, cells)
    source = source_of(loading, reading.origin)
    known, reading.keeps_conflicts = known_of(source, reading.origin)
    if stays(row, keeps_conflicts=reading.keeps_conflicts):
        raise ContractError(
            "No change of its cells lets this row in.", got=row.reason, do=REASONS[row.reason].do
        )
    text = reading.row.raw or ""
    # Keyed, so that it confirms nobody's guess of what an erased person's row said.
    pepper = loading.keys.pepper("repairs")
    digest = hmac.digest(pepper, f"{place}|{text}".encode(), "sha256").hex()
    name = f"quarantine/{table}/{path.name}/{row.file}:{row.line}"
    kept = SourceFile(name, len(text), digest)
    order = Order(source, loading.table(table), reading, known, [kept], plan=check, again=True)  # type: ignore[arg-type]
    run = _One(loading, order)
    report = run.run()
    if not check:
        loading.quarantine.without(path, lambda r: (r.file, r.line) == (row.file, row.line))
        loading.quarantine.sweep()
    return Repair(report, run.reasons())


def _find(quarantine: Quarantine, path: Path, place: Place) -> Refusal:
    """Return the refused row of a place, in clear."""
    rows = quarantine.raws(path)[1] if path.exists() else iter(())
    for row in rows:
        if (row.file, row.line) == (place.file, place.line):
            return row
    raise UnknownName(
        "This row does not wait any more.",
        got=f"load {place.load}, {place.file}:{place.line}",
        do="see `heptad quarantine show`",
    )


class _Repaired(Refused):
    """One refused row, some of its cells written anew."""

    def __init__(
        self, quarantine: Quarantine, path: Path, row: Refusal, cells: Mapping[str, str]
    ) -> None:
        super().__init__(quarantine, path)
        unknown = next((name for name in cells if name not in self.origin.columns), None)
        if unknown is not None:
            raise UnknownName(
                f"The source {self.origin.source} has no column {unknown!r}.",
                got=unknown,
                do=suggest(unknown, self.origin.columns),
            )
        values = parse_object(row.raw or "") or {}
        values |= {name: text or None for name, text in cells.items()}
        self.row = replace(row, raw=json.dumps(values, ensure_ascii=False))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the one row."""
        yield self._batch([self.row])


class _One(Again):
    """A run over one row that remembers why it was refused."""

    def build(self, job: Job) -> Staging:
        """Return what stages the row."""
        plain = super().build(job)
        self.noting = _Noting(job, plain.duck, self._loading.keys)
        return self.noting

    def reasons(self) -> list[dict[str, str]]:
        """Say why the row was refused; nothing if it was not."""
        table = self.order.table.__name__
        found = []
        for text in self.noting.refused:
            code, _, field = text.partition("|")
            sentence = explain(code, f"{table}.{field}" if field else "")
            do = REASONS[code].do.replace("{ field", f"{{ {field}") if code in REASONS else ""
            found.append({"field": field, "reason": code, "sentence": sentence, "do": do})
        return found


class _Noting(Staging):
    """Staging that notes why rows are refused."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.refused: list[str] = []

    def note(self, lines: pa.Int64Array, reasons: pa.StringArray) -> None:  # noqa: ARG002 - there is one
        """Note the reasons."""
        self.refused += reasons.to_pylist()


def cells_of(columns: Sequence[str], shown: Refusal, clear: Refusal) -> list[dict[str, Any]]:
    """Return the cells of a refused row for a form: its name, what is shown, whether that is all.

    Args:
        columns: of its source.
        shown: the row as it may be seen.
        clear: the same as it came; none of it is returned.
    """
    seen, came = (parse_object(row.raw or "") or {} for row in (shown, clear))
    return [
        {"name": n, "value": seen.get(n), "hidden": seen.get(n) != came.get(n)} for n in columns
    ]
