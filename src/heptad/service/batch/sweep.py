# SPDX-License-Identifier: Apache-2.0
"""The batch plan of the kernel: events of each key in order, all windows of all rows in one sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from heptad.service.batch import spool
from heptad.service.batch.encoding import Dictionary, Reader, finished, whole
from heptad.service.batch.plans import FEW
from heptad.service.batch.programs import Compiled, compiled
from heptad.service.batch.windows import Stored, events_sql
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from heptad.engine.local.kernel.pool import Pool
    from heptad.service.batch.spines import Spine
    from heptad.service.features import Feature
    from heptad.standards import Table

    Ints = npt.NDArray[np.int64]

REPAIRED_AT_ONCE = 4_000_000
"""Most events copied at once for rows whose windows hold what was not known."""
_FOREVER = 2**63 - 1


class Queries(Protocol):
    """What is needed of the engine: a query over Arrow tables given by name."""

    def arrow(
        self, sql: str, params: Sequence[object] | None = None, **tables: pa.Table
    ) -> pa.Table:
        """Run one query."""
        ...


def too_large(names: Iterable[str]) -> ContractError:
    """Return the error of a total that does not fit."""
    return ContractError(
        f"A total leaves 64 bits in one of: {', '.join(names)}.",
        do="shorten the window, or check the unit of the amounts",
    )


def sweep(
    queries: Queries,
    features: Sequence[Feature],
    spine: Spine,
    span: tuple[int, int],
    tables: Callable[[type[Table]], Stored],
) -> dict[str, pa.Array]:
    """Compute features of one table and key by the kernel, in spine order.

    Raises:
        ContractError: if a total leaves 64 bits.
    """
    made = compiled(features)
    keys, codes = coded([whole(spine.key(e)) for e in features[0].entities])
    sql, relation = events_of(made, keys, span, tables)
    own = spine.own if spine.own_table is made.table else None
    asked = codes, _ints(spine.t), _ints(spine.k), own
    # Only who has a place on disk is asked how many events there are.
    if isinstance(queries, spool.Spooling):
        many = _many(queries, len(spine), tables(made.table))
        if many > spool.AT_ONCE:
            return spool.swept_by_parts(
                queries, sql, relation, many, asked,
                lambda events, entities, of: swept(made, events, entities, of),
            )  # fmt: skip
    return swept(made, queries.arrow(sql, spine=relation), len(relation), asked)


def _many(queries: Queries, rows: int, stored: Stored) -> int:
    """Return how many events there may be: all rows stored, 0 where few keys are asked about."""
    if rows < FEW:
        return 0
    answer = queries.arrow(f"SELECT count(*) AS n FROM {stored.relation}")
    return int(answer.column("n")[0].as_py())


def events_of(
    made: Compiled,
    keys: Sequence[pa.Array],
    span: tuple[int, int],
    tables: Callable[[type[Table]], Stored],
) -> tuple[str, pa.Table]:
    """Return SQL of the events that compiled features read, and the relation `spine` of its keys.

    Args:
        made: the features.
        keys: what `coded` returned.
        span: least and greatest t of the spine.
        tables: gives the stored versions of a table.
    """
    names = {short: made.masks[name] for name, short in _short(made).items()}
    sql = events_sql(made.features, tables, span, names)
    entities = made.features[0].entities
    return sql, pa.table(dict(zip((*entities, "_code"), keys, strict=True)))


def swept(
    made: Compiled, events: pa.Table, entities: int, asked: tuple[Ints, Ints, Ints, Any]
) -> dict[str, pa.Array]:
    """Read compiled features from events, on any machine.

    Args:
        made: the features.
        events: what the SQL of `events_of` gives, in any order.
        entities: how many keys there are.
        asked: per row of the spine the number of its key, t, k; and its own key or None.

    Raises:
        ContractError: if a total leaves 64 bits.
    """
    texts = Dictionary()
    loaded = _Loaded(events.combine_chunks(), made, _short(made), texts, entities)
    out, ok = loaded.read(*asked)
    return finished(made, out, ok, texts)


def _short(made: Compiled) -> dict[str, str]:
    """Name the column that holds each condition."""
    return {name: f"m{n}" for n, name in enumerate(made.masks)}


def coded(keys: Sequence[pa.Array]) -> tuple[list[pa.Array], Ints]:
    """Number the keys of a spine.

    Returns:
        One column per part of the key and their numbers, without repetition; and (m,) the number
        of each row, -1 for a missing key.
    """
    missing = np.zeros(len(keys[0]), np.bool_)
    code, sizes = np.zeros(len(keys[0]), np.int64), []
    parts = [key.cast(pa.string()).dictionary_encode() for key in keys]
    for part in parts:
        missing |= ~np.asarray(part.is_valid())
        sizes.append(max(1, len(part.dictionary)))
        code = code * sizes[-1] + part.indices.fill_null(0).to_numpy(zero_copy_only=False)
    if len(parts) == 1:
        used = np.arange(len(parts[0].dictionary))
    else:
        used, code = np.unique(code, return_inverse=True)
    columns: list[pa.Array] = []
    left = used
    for part, size in zip(reversed(parts), reversed(sizes), strict=True):
        index = left % size
        column = part.dictionary.take(pa.array(index)) if len(part.dictionary) else None
        columns.insert(0, column if column is not None else pa.nulls(len(index), pa.string()))
        left = left // size
    columns.append(pa.array(np.arange(len(used), dtype=np.int64)))
    return columns, np.where(missing, -1, code)


def _ints(column: pa.Array | pa.ChunkedArray) -> Ints:
    """Return a column as a writable int64 array."""
    return np.array(whole(column).to_numpy(zero_copy_only=False), np.int64)


def texts_of(column: pa.Array | pa.ChunkedArray) -> tuple[Any, Ints]:
    """Return the bytes of a text column, and (n + 1,) where each text begins; null is empty."""
    array = whole(column).cast(pa.large_string())
    if array.null_count:
        array = array.fill_null("")
    _, offsets, data = array.buffers()
    at = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1].copy()
    texts = np.frombuffer(data if data is not None else b"", np.uint8)
    # Kernels are compiled for texts that nobody writes to.
    texts.flags.writeable = False
    return texts, at


class _Loaded:
    """The events of a group in a pool, in order."""

    def __init__(
        self, events: pa.Table, made: Compiled, names: dict[str, str], texts: Dictionary,
        entities: int,
    ) -> None:  # fmt: skip
        from heptad.engine.local.kernel import pool as pools

        self.made = made
        code, us = _ints(events.column("_code")), _ints(events.column("_us"))
        self.ids, self.id_at = texts_of(events.column("_id"))
        self.order, self.begin = pools.order(code, us, self.ids, self.id_at, entities)
        columns = {n: whole(events.column(n)) for n in events.column_names if n[0] != "_"}
        masks = {
            name: np.asarray(columns[short].to_numpy(zero_copy_only=False), np.bool_)
            for name, short in names.items()
        }
        self.pool = self._filled(us, Reader(columns, masks, texts))
        pools.index(self.pool, self.begin[:-1].copy(), self.begin[1:].copy())
        since = _ints(events.column("_from"))[self.order]
        until = _ints(events.column("_to"))[self.order]
        self.known = pools.Known(since, until, *pools.known(since, until, self.begin))

    def _filled(self, us: Ints, reader: Reader) -> Pool:
        """Return the pool with the measures in order."""
        from heptad.engine.local.kernel import pool as pools

        pool = pools.empty(*self.made.kept, len(us))
        np.take(us, self.order, out=pool.us)
        for j, measure in enumerate(self.made.measures):
            held = reader.held(measure)
            if held is None:
                pool.h[j] = 1
            else:
                np.take(held.astype(np.uint8), self.order, out=pool.h[j])
            if j < len(pool.v):
                values = reader.values(measure)
                if isinstance(values, int):
                    pool.v[j] = values
                else:
                    np.take(values, self.order, out=pool.v[j])
                if held is not None:
                    pool.v[j] *= pool.h[j]
        return pool

    def read(self, entity: Ints, t: Ints, k: Ints, own: pa.Array | None) -> tuple[Ints, Any]:
        """Return the state of every step at every row, and whether there is one."""
        from heptad.engine.local.kernel import pool as pools

        limit = np.where(entity >= 0, self.begin[1:][entity], 0) if len(self.begin) > 1 else t * 0
        asked = pools.Asked(entity, t, k, limit)
        if own is not None:
            self._limit(asked, own)
        windows = self.made.window_array()
        lo, hi, edges, odd = pools.bounds(self.pool.us, self.begin, self.known, asked, windows)
        out, ok = self._run(self.pool, t, lo, hi, edges)
        rows = np.flatnonzero(odd)
        if len(rows):
            reached = pools.reach(self.begin, self.known, asked, rows, windows, lo, hi)
            for part in _parts(reached[:, 2]):
                at = rows[part]
                out[at], ok[at] = self._repaired(t[at], k[at], reached[part])
        return out, ok

    def _limit(self, asked: Any, own: pa.Array) -> None:
        from heptad.engine.local.kernel import pool as pools

        ids, id_at = self._ordered_ids()
        mine, mine_at = texts_of(own)
        pools.limits(self.pool.us, self.begin, ids, id_at, asked, mine, mine_at)

    def _ordered_ids(self) -> tuple[Any, Ints]:
        """Return the keys of the events in pool order."""
        data = pa.py_buffer(self.ids) if len(self.ids) else pa.py_buffer(b"")
        made = pa.LargeStringArray.from_buffers(len(self.order), pa.py_buffer(self.id_at), data)
        return texts_of(made.take(pa.array(self.order)))

    def _run(self, pool: Pool, t: Ints, lo: Ints, hi: Ints, edges: Ints) -> tuple[Ints, Any]:
        from heptad.engine.local.kernel import reading

        out = np.zeros((len(t), self.made.columns), np.int64)
        ok = np.zeros((len(t), self.made.columns), np.uint8)
        longest = int((hi - lo).max(initial=0))
        left = reading.read(pool, self.made.program(longest), t, lo, hi, edges, out, ok)
        if left >= 0:
            raise too_large([self.made.features[left].name])
        return out, ok

    def _repaired(self, t: Ints, k: Ints, reached: Ints) -> tuple[Ints, Any]:
        """Read rows again, each from a pool of what was known to it."""
        from heptad.engine.local.kernel import pool as pools

        m, n = len(t), int(reached[:, 2].sum())
        pool, begin = pools.empty(*self.made.kept, n), np.zeros(m + 1, np.int64)
        pools.gather(self.pool, self.known, k, reached, pool, begin)
        pools.index(pool, begin[:-1].copy(), begin[1:].copy())
        since, until = np.full(n, -_FOREVER - 1), np.full(n, _FOREVER)
        known = pools.Known(since, until, *pools.known(since, until, begin))
        asked = pools.Asked(np.arange(m), t, k, begin[1:].copy())
        lo, hi, edges, _ = pools.bounds(pool.us, begin, known, asked, self.made.window_array())
        return self._run(pool, t, lo, hi, edges)


def _parts(sizes: Ints) -> Iterable[slice]:
    """Cut rows into runs whose sizes add up to a bound, at least one row each."""
    start, held = 0, 0
    for i, size in enumerate(sizes.tolist()):
        if held and held + size > REPAIRED_AT_ONCE:
            yield slice(start, i)
            start, held = i, 0
        held += size
    if len(sizes):
        yield slice(start, len(sizes))
