# SPDX-License-Identifier: Apache-2.0
"""Personal values on their way in: card numbers become tokens, the rest is sealed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from heptad.security.keys import gone
from heptad.security.sealing import seal_rows, subject_names
from heptad.security.slices import seal_slice
from heptad.security.tokens import pan_tokens
from heptad.standards.fields import Instant, Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.security.keys import KeyStore
    from heptad.security.slices import Done, Slice
    from heptad.standards.tables import Table


class Protected(NamedTuple):
    """Rows that may be stored, as they came and as they are stored.

    Attributes:
        clear: (n,) rows as they came.
        stored: (n,) the same, sealed and tokenised.
        erased: lines of the rows about erased persons, which are in neither; None without any.
    """

    clear: pa.RecordBatch
    stored: pa.RecordBatch
    erased: pa.Int64Array | None


class Protection:
    """What has to be done with the rows of one table before they may be stored.

    Args:
        table: the table.
        keys: keys of the subjects, and peppers.
        by: seals a slice; see `seal_rows`.
    """

    def __init__(
        self,
        table: type[Table],
        keys: KeyStore | None,
        by: Callable[[Slice], Done] = seal_slice,
    ) -> None:
        self.table, self._by = table, by
        self.sealed = [f.name for f in table.sealed()]
        self.pans = [f.name for f in table.fields.values() if isinstance(f, Text) and f.pan]
        self._keys = keys

    @property
    def personal(self) -> bool:
        """Whether the source's rows say who a person is."""
        return bool(self.sealed or self.pans)

    def apply(self, batch: pa.RecordBatch) -> Protected:
        """Return the rows as they are stored, with their `_hash`, but for those of erased persons."""
        erased = self._erased(batch)
        if erased is None:
            return Protected(batch, self._stored(batch), None)
        clear = batch.filter(pc.invert(erased))
        return Protected(clear, self._stored(clear), batch.column("_line").filter(erased))

    def _erased(self, batch: pa.RecordBatch) -> pa.BooleanArray | None:
        """Return which rows are about an erased person; None if none is."""
        if not self.sealed or self._keys is None or self.table.subject is None:
            return None
        people = subject_names(self.table, batch.column(self.table.subject.name))
        erased = gone(self._keys, pc.unique(people).to_pylist())
        found = pc.is_in(people, pa.array(list(erased), pa.string())) if erased else None
        return found if found is not None and pc.any(found).as_py() else None

    def _stored(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self.personal or self._keys is None or not batch.num_rows:
            return batch
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name in self.pans:
            columns[name] = pan_tokens(columns[name], self._keys.pepper("pan")).tokens
        if self.sealed:
            columns |= self._seal(columns, self._keys)
        else:
            columns["_hash"] = mixed(columns["_hash"], [columns[name] for name in self.pans])
        return pa.RecordBatch.from_pydict(columns)

    def _seal(self, columns: dict[str, pa.Array], keys: KeyStore) -> dict[str, pa.Array]:
        """Return the sealed columns, and the keyed hash of the row."""
        subject = self.table.subject
        people = (
            subject_names(self.table, columns[subject.name]) if subject is not None else pa.nulls(0)
        )
        plain = {name: columns[name] for f in self.table.fields.values()
                 for name in (c.name for c in f.columns())}  # fmt: skip
        for name in self.sealed:
            if isinstance(self.table.fields[name], Instant):
                plain[name] = plain[name].cast(pa.timestamp("us", "UTC"))
        done = seal_rows(
            {name: plain[name] for name in self.sealed},
            [*plain.values(), columns["_deleted"]],
            people,
            keys,
            self.table.__name__,
            self._by,
        )
        return done.cells | {"_hash": done.hashes}


def mixed(hashes: pa.Int64Array, tokens: list[pa.StringArray]) -> pa.Int64Array:
    """Fold tokens into the hash of a row's other values; each distinct token is hashed once."""
    found = hashes.to_numpy().astype(np.uint64)
    for column in tokens:
        encoded = column.dictionary_encode()
        digests = [hashlib.blake2b(t.encode(), digest_size=8).digest() for t in
                   encoded.dictionary.to_pylist()]  # fmt: skip
        known = np.frombuffer(b"".join([*digests, bytes(8)]), "<u8")
        codes = pc.fill_null(encoded.indices, len(digests)).to_numpy()
        with np.errstate(over="ignore"):
            found = found * np.uint64(0x9E3779B97F4A7C15) + known[codes]
    return pa.array((found >> np.uint64(1)).astype(np.int64))
