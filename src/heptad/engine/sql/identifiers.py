# SPDX-License-Identifier: Apache-2.0
"""Names and text written into SQL: the only way in which SQL text is put together."""

from __future__ import annotations

from heptad.standards.errors import InputError


def quote(name: str) -> str:
    """Write a name of a table, column or schema as a quoted identifier.

    DuckDB folds the case of quoted identifiers too: "Id" and "id" are one column.

    Raises:
        InputError: if no engine could carry the name: empty, or not valid Unicode.

    >>> quote('a"b')
    '"a""b"'
    """
    if not isinstance(name, str) or not name:
        raise InputError("A name in SQL cannot be empty.", got=name)
    return '"' + _sound(name).replace('"', '""') + '"'


def literal(text: str) -> str:
    """Write text as an SQL string constant; backslashes and line ends mean themselves.

    Raises:
        InputError: if it is no text or not valid Unicode.

    >>> literal("it's")
    "'it''s'"
    """
    if not isinstance(text, str):
        raise InputError("Only text can be written as a text constant.", got=text)
    return "'" + _sound(text).replace("'", "''") + "'"


def _sound(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError("Text in SQL must be valid Unicode.", got=text) from None
    return text
