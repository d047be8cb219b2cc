# SPDX-License-Identifier: Apache-2.0
"""What a reader sees of stored rows: personal values opened under a purpose, or masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from heptad.security.masks import mask_array
from heptad.security.sealing import open_sealed, subject_names

if TYPE_CHECKING:
    from heptad.security.keys import KeyStore
    from heptad.service.reads.guard import Access
    from heptad.standards import Field, Table

ERASED = "(erased)"


def shown(table: type[Table], rows: pa.Table, access: Access, keys: KeyStore) -> pa.Table:
    """Return rows as an access permits to see them, and note in it what is answered.

    Sealed cells are opened where permitted and masked elsewhere, everywhere without a purpose;
    cells of erased persons say so. Rows without a basis are not among them: the query left
    them out.

    Raises:
        Refused: if the purpose does not cover the table.
    """
    access.ground(table)
    access.answered(table, rows)
    who = table.subject
    named = who is not None and who.name in rows.column_names
    subjects = subject_names(table, rows.column(who.name)) if who is not None and named else None
    for field in table.fields.values():
        if not field.personal or field.columns()[0].name not in rows.column_names:
            continue
        at = rows.column_names.index(field.columns()[0].name)
        name = rows.column_names[at]
        allowed = access.opens(field)
        if field.sealed and subjects is not None:
            seen = _opened(field, rows.column(at), subjects, keys, allowed=allowed)
        else:
            seen = rows.column(at) if allowed else mask_array(rows.column(at), field)
        rows = rows.set_column(at, name, seen)
    return rows


def _opened(
    field: Field, cells: pa.ChunkedArray, subjects: pa.Array, keys: KeyStore, *, allowed: bool
) -> pa.Array:
    """Open one sealed column, or mask it without opening."""
    if not allowed:
        hidden = pa.array([None if missing else "•••" for missing in pc.is_null(cells).to_pylist()])
        return hidden.cast(pa.string())
    opened = open_sealed(cells, subjects, keys, field.table.__name__, field.name)
    texts = opened.values
    gone = pa.array(opened.erased, pa.bool_())
    return pc.if_else(gone, pa.scalar(ERASED), texts)
