# SPDX-License-Identifier: Apache-2.0
"""Commands that answer a question in SQL, for a person or as a file."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import InputError
from heptad.standards.time import as_of, format_instant, micros

if TYPE_CHECKING:
    from heptad.runtime import Platform

MOST_ROWS = 100_000
"""Most rows of one answer."""
_EXACT = 2**53
"""Whole numbers beyond this are told as text, since JSON readers round them."""


def explore(  # noqa: PLR0913, PLR0917 - what a question is
    platform: Platform,
    sql: str,
    t: str = "",
    k: str = "",
    limit: int = 1_000,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Answer one SELECT over the declared tables; personal values are masked without a purpose.

    Args:
        platform: the open project.
        sql: the question.
        t: what had happened by then, ISO 8601; no limit by default.
        k: what was known by then, ISO 8601; all that is known by default.
        limit: most rows of the answer.
        purpose: why; "" for none.
        role: in which role; the platform's own by default.
        who: the account that asks; the platform's own by default.

    Raises:
        InputError: if it cannot be answered, or `limit` is out of range.
        Refused: if it is more than a question, or purpose and role do not allow it.
        Busy: if it takes more than a question may.
    """
    if not 1 <= limit <= MOST_ROWS:
        raise InputError(f"An answer has 1 to {MOST_ROWS:,} rows.", got=limit, do="say --limit")
    answer = platform.explore(
        sql,
        as_of(t),
        as_of(k),
        limit=limit,
        purpose=purpose,
        role=role,
        who=who,
    )
    names = unique(answer.rows.column_names)
    columns = [[plain(value) for value in column.to_pylist()] for column in answer.rows.columns]
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    return {"columns": names, "rows": rows, "more": answer.more}


def unique(names: list[str]) -> list[str]:
    """Number the names that stand more than once."""
    found: list[str] = []
    for name in names:
        n = 2
        chosen = name
        while chosen in found:
            chosen, n = f"{name}_{n}", n + 1
        found.append(chosen)
    return found


def plain(value: Any) -> Any:
    """Return a value of an answer as plain data: instants ISO 8601, exact numbers as text."""
    if isinstance(value, datetime):
        return format_instant(micros(value if value.tzinfo else value.replace(tzinfo=UTC)))
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) <= _EXACT else str(value)
    if isinstance(value, bool | float | str | None):
        return value
    if isinstance(value, date | timedelta | Decimal):
        return str(value)
    if isinstance(value, dict):
        return {str(name): plain(part) for name, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else str(value)
