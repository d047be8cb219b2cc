# SPDX-License-Identifier: Apache-2.0
"""Histories that do not fit into memory: events laid on disk by key, then swept part by part."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from heptad.service.batch.encoding import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Asked = tuple[Ints, Ints, Ints, Any]

AT_ONCE = 2_000_000
"""Most stored rows that are swept in memory, at about 300 bytes each; more go by parts, which takes
no longer: what is written to disk is made up for by parts that stay in the caches."""
A_PART = 1_000_000
"""Events of one part, where keys have few of them: a key lies in one part as a whole."""
_BATCH = 500_000


@runtime_checkable
class Spooling(Protocol):
    """An engine that gives rows in batches and has a place on disk for them."""

    def arrow(self, sql: str, **tables: pa.Table) -> pa.Table:
        """Run one query."""
        ...

    def batches(self, sql: str, *, rows: int, **tables: pa.Table) -> Iterator[pa.RecordBatch]:
        """Give the rows of a query in batches."""
        ...

    def spool(self) -> AbstractContextManager[Path]:
        """Give a folder that is gone afterwards."""
        ...


def swept_by_parts(
    queries: Spooling,
    sql: str,
    keys: pa.Table,
    stored: int,
    asked: Asked,
    sweep: Callable[[pa.Table, int, Asked], dict[str, pa.Array]],
) -> dict[str, pa.Array]:
    """Sweep events of any number, with the memory that one part takes.

    Key c lies in part c modulo the number of parts, as its key number c divided by it.

    Args:
        queries: the engine.
        sql: gives the events, with `_code`, the number of their key.
        keys: the relation `spine` that the SQL names.
        stored: how many events there may be.
        asked: per row of the spine the number of its key or -1, t, k, and its own key.
        sweep: computes the rows of one part from its events, the number of its keys, and where it
            is asked.

    Returns:
        Feature name → (n,) values in spine order.
    """
    parts = 1 << max(1, (stored // A_PART).bit_length())
    code, t, k, own = asked
    part_of = np.where(code >= 0, code % parts, 0)
    order = np.argsort(part_of, kind="stable")
    starts = np.searchsorted(part_of[order], np.arange(parts + 1))
    found: list[dict[str, pa.Array]] = []
    with queries.spool() as folder:
        if not _laid(queries.batches(sql, rows=_BATCH, spine=keys), folder, parts):
            return sweep(queries.arrow(sql, spine=keys), len(keys), asked)
        for part in range(parts):
            rows = order[starts[part] : starts[part + 1]]
            if len(rows):
                within = np.where(code[rows] >= 0, code[rows] // parts, -1)
                mine = None if own is None else whole(own).take(pa.array(rows))
                asked_here = within, t[rows].copy(), k[rows].copy(), mine
                held = (len(keys) - part + parts - 1) // parts
                found.append(sweep(_read(folder / f"{part}"), held, asked_here))
            (folder / f"{part}").unlink()
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    index = pa.array(back)
    return {
        name: pa.concat_arrays([whole(values[name]) for values in found]).take(index)
        for name in found[0]
    }


def _laid(batches: Iterator[pa.RecordBatch], folder: Path, parts: int) -> bool:
    """Write events into one file for each part, numbered as there; tell whether there are any."""
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with ExitStack() as left:
        writers: list[Any] = []
        for batch in batches:
            code = batch.column("_code").to_numpy()
            part = code % parts
            order = np.argsort(part, kind="stable")
            ends = np.searchsorted(part[order], np.arange(parts + 1))
            at = batch.schema.get_field_index("_code")
            laid = batch.set_column(at, "_code", pa.array(code // parts)).take(pa.array(order))
            if not writers:
                files = [
                    left.enter_context(pa.OSFile(str(folder / f"{n}"), "wb")) for n in range(parts)
                ]
                writers = [
                    left.enter_context(pa.ipc.new_file(file, laid.schema, options=options))
                    for file in files
                ]
            for n, writer in enumerate(writers):
                if ends[n + 1] > ends[n]:
                    writer.write_batch(laid.slice(ends[n], ends[n + 1] - ends[n]))
    return bool(writers)


def _read(path: Path) -> pa.Table:
    """Return the events of a part."""
    with pa.OSFile(str(path), "rb") as file:
        return pa.ipc.open_file(file).read_all()
