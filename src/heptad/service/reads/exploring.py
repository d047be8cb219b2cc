# SPDX-License-Identifier: Apache-2.0
"""Answer a question that somebody wrote in SQL, from tables as they may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from heptad.engine.local.worker import Answer, Limits, answer_question
from heptad.engine.sql.questions import check_question
from heptad.service.reads.reading import shown
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.security.keys import KeyStore
    from heptad.service.reads.guard import Access
    from heptad.service.reads.reads import Reads
    from heptad.standards import Table

MOST_ROWS = 2_000_000
"""Most rows of one table that a question may read."""
MOST_BYTES = 256 << 20
"""Most bytes of all tables that a question may read."""


def explore(  # noqa: PLR0913 - what a question is asked of, by name
    sql: str,
    tables: Mapping[str, type[Table]],
    reads: Reads,
    access: Access,
    keys: KeyStore,
    *,
    t: int | None = None,
    k: int | None = None,
    limits: Limits,
) -> Answer:
    """Answer one SELECT over declared tables as they held at t and were known at k.

    The question runs in a process of its own, which holds nothing but these tables, masked and
    narrowed as any read of them.

    Args:
        sql: the question.
        tables: the declared tables.
        reads: reads rows, narrowed by the access.
        access: decides what is seen.
        keys: open what may be opened.
        t: what had happened by then, microseconds; None for no limit.
        k: what was known by then, microseconds; None for all that is known.
        limits: what the question may take.

    Raises:
        InputError: if the question is no SQL, or reads too much.
        Refused: if it is more than a question, or purpose and role do not allow it.
        Busy: if it takes more than its limits.
    """
    columns = {name: _columns(table) for name, table in tables.items()}
    question = check_question(sql, columns)
    seen: dict[str, pa.Table] = {}
    left = MOST_BYTES
    for name, wanted in question.reads.items():
        seen[name] = _seen(tables[name], wanted, reads, access, keys, t=t, k=k)
        left -= seen[name].nbytes
        if left < 0:
            raise _too_much(name)
    answer = answer_question(question.sql, seen, limits)
    access.read.rows = answer.rows.num_rows
    return answer


def _columns(table: type[Table]) -> list[str]:
    """Return the columns that a question may name."""
    return [c.name for c in table.columns() if not c.name.startswith("_")]


def _seen(  # noqa: PLR0913 - what a view is made of
    table: type[Table],
    wanted: Sequence[str],
    reads: Reads,
    access: Access,
    keys: KeyStore,
    *,
    t: int | None,
    k: int | None,
) -> pa.Table:
    """Return the columns of a table as they may be seen; instants as timestamps."""
    subject = [table.subject.name] if table.subject is not None else []
    names = list(dict.fromkeys([*wanted, *subject, table.key.name]))
    rows = reads.columns(table, names, t, k, limit=MOST_ROWS + 1)
    if rows.num_rows > MOST_ROWS:
        raise _too_much(table.__name__)
    rows = shown(table, rows, access, keys).select(list(wanted) or [table.key.name])
    access.read.columns[table.__name__] = list(wanted)
    instants = {c.name for c in table.columns() if c.kind == "instant"}
    for at, name in enumerate(rows.column_names):
        if name in instants and pa.types.is_int64(rows.column(at).type):
            rows = rows.set_column(at, name, rows.column(at).cast(pa.timestamp("us")))
    return rows


def _too_much(name: str) -> InputError:
    return InputError(
        f"The question reads too much of {name}.",
        got=f"more than {MOST_ROWS:,} rows, or {MOST_BYTES >> 20} MiB of all tables",
        do="name the columns instead of *, and read an earlier state with --t and --k",
    )
