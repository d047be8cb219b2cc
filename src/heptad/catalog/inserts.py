# SPDX-License-Identifier: Apache-2.0
"""Inserts in bulk, and insert-or-update, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, inspect
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Insert

    from heptad.catalog.schema import Row


def insert_all(
    connection: Connection, model: type[Row], names: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert many rows of plain values, on SQLite without a detour over mappings (2 × faster).

    Args:
        connection: inside a transaction.
        model: whose rows they are.
        names: its columns, in the order of the values.
        rows: the values; none needs conversion on its way to the driver.
    """
    compiled = insert(model).compile(connection, column_keys=list(names))
    order = getattr(compiled, "positiontup", None)
    if order == list(names):
        connection.exec_driver_sql(str(compiled), list(rows))
    elif rows:
        connection.execute(insert(model), [dict(zip(names, row, strict=True)) for row in rows])


def upsert(
    connection: Connection,
    model: type[Row],
    rows: Sequence[dict[str, Any]],
    *,
    update: Sequence[str] = (),
    add: Sequence[str] = (),
    key: Sequence[str] = (),
) -> None:
    """Insert rows; where the key is taken, overwrite or add to some columns.

    Args:
        connection: inside a transaction.
        model: whose rows they are.
        rows: values by column.
        update: columns that take the new value.
        add: columns that take the sum of the old and the new value.
        key: the unique columns; the primary key if not given.
    """
    if rows:
        wanted = _upserting(connection.dialect.name, model, tuple(update), tuple(add), tuple(key))
        connection.execute(wanted, rows)


@cache
def _upserting(
    dialect: str,
    model: type[Row],
    update: tuple[str, ...],
    add: tuple[str, ...],
    key: tuple[str, ...],
) -> Insert:
    """Return the statement of an upsert; to write one anew costs more than to run it."""
    statement = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(model)
    new = statement.excluded
    changed = {name: new[name] for name in update}
    changed |= {name: getattr(model, name) + new[name] for name in add}
    taken = key or tuple(column.name for column in inspect(model).primary_key)
    if changed:
        return statement.on_conflict_do_update(index_elements=taken, set_=changed)
    return statement.on_conflict_do_nothing(index_elements=taken)
