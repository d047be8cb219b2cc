# SPDX-License-Identifier: Apache-2.0
"""Tables: what one row means, declared once and used by every layer."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, ClassVar

from heptad.standards.errors import ContractError, UnknownName, suggest
from heptad.standards.fields import Column, Field, Instant, Money, Ref, Text

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DECLARED: dict[str, type[Table]] = {}

SYSTEM = (
    Column("known_time", "instant", optional=False),
    Column("_deleted", "flag", optional=False),
    Column("_load", "integer", optional=False),
    Column("_line", "integer", optional=False),
    Column("_hash", "integer", optional=False),
)
"""What every stored row carries beside its declared columns: when it was known, whether it says
that the row is gone, the load and record number it came from, and a hash of its content."""

MONTH = Column("_month", "text", optional=False)
"""The partition of an event table: YYYY-MM of event_time, UTC."""


class Table:
    """A data contract. Subclass it, say in the docstring what one row is, and list the fields.

    `class Customer(Table, state=True)` declares rows that hold until the next row of the same
    key; without `state` each key is one event; `called="name"` says by which field people call a
    row. Every table has an Instant named `event_time`:
    when it happened, or since when the state holds.
    """

    fields: ClassVar[dict[str, Field]] = {}
    key: ClassVar[Field]
    subject: ClassVar[Field | None] = None
    state: ClassVar[bool] = False
    called: ClassVar[Field | None] = None

    def __init_subclass__(cls, *, state: bool = False, called: str = "") -> None:
        cls.fields = {n: f for n, f in vars(cls).items() if isinstance(f, Field)}
        cls.state = state
        _check(cls)
        (cls.key,) = (f for f in cls.fields.values() if f.key)
        cls.subject = next((f for f in cls.fields.values() if f.subject), None)
        cls.called = _called(cls, called) if called else None
        _DECLARED[cls.__name__] = cls

    @classmethod
    def columns(cls) -> tuple[Column, ...]:
        """Return all physical columns: declared ones in order, then the system's."""
        declared = tuple(c for f in cls.fields.values() for c in f.columns())
        return (*declared, *SYSTEM, *(() if cls.state else (MONTH,)))

    @classmethod
    def contract(cls) -> dict[str, Any]:
        """Return the declaration as plain data."""
        return {
            "table": cls.__name__,
            "doc": (cls.__doc__ or "").strip().splitlines()[0],
            "state": cls.state,
            "fields": {name: field.contract() for name, field in cls.fields.items()},
        }

    @classmethod
    def version_hash(cls) -> str:
        """Return a hash of the declaration; it changes when the contract does."""
        text = json.dumps(cls.contract(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @classmethod
    def field(cls, name: str) -> Field:
        """Find a field by name.

        Raises:
            UnknownName: if there is none.
        """
        try:
            return cls.fields[name]
        except KeyError:
            raise UnknownName(
                f"{cls.__name__} has no field {name!r}.", got=name, do=suggest(name, cls.fields)
            ) from None

    @classmethod
    def sealed(cls) -> tuple[Field, ...]:
        """Return the fields that are stored as ciphertext."""
        return tuple(f for f in cls.fields.values() if f.sealed)

    @classmethod
    def subject_type(cls) -> str:
        """Return the table that the subject is a row of, or ''."""
        if cls.subject is None:
            return ""
        return cls.subject.target_name if isinstance(cls.subject, Ref) else cls.__name__


def named(name: str) -> type[Table]:
    """Find a declared table by name.

    Raises:
        UnknownName: if none of that name has been declared.
    """
    try:
        return _DECLARED[name]
    except KeyError:
        raise UnknownName(
            f"There is no table {name!r}.", got=name, do=suggest(name, _DECLARED)
        ) from None


def _called(table: type[Table], name: str) -> Field:
    """Return the field by which people call a row."""
    field = table.field(name)
    if not isinstance(field, Text):
        raise ContractError(f"{table.__name__} is called by a Text.", got=name)
    return field


def _check(table: type[Table]) -> None:
    """Refuse a declaration that could not be kept."""
    name = table.__name__
    if not (table.__doc__ or "").strip():
        raise ContractError(f"Table {name} has no docstring.", do="say what one row is")
    for field in table.fields.values():
        _check_field(field)
    _check_columns(table)
    keys = [f.name for f in table.fields.values() if f.key]
    if len(keys) != 1:
        raise ContractError(f"Table {name} needs exactly one key field.", got=keys)
    if table.fields[keys[0]].sealed or table.fields[keys[0]].optional:
        raise ContractError(f"{name}.{keys[0]} is the key: it cannot be personal or optional.")
    if (
        not isinstance(table.fields.get("event_time"), Instant)
        or table.fields["event_time"].optional
    ):
        raise ContractError(f"Table {name} needs event_time = Instant(…).")
    _check_subject(table)


def _check_columns(table: type[Table]) -> None:
    """Refuse fields whose physical columns collide, as those of a place can."""
    columns = [column.name for column in table.columns()]
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise ContractError(f"Table {table.__name__} has two columns of one name.", got=twice)


def _check_subject(table: type[Table]) -> None:
    """Refuse personal fields without the one person whose key seals them."""
    name, subjects = table.__name__, [f.name for f in table.fields.values() if f.subject]
    if len(subjects) > 1:
        raise ContractError(f"Table {name} may have one subject.", got=subjects)
    if any(f.personal for f in table.fields.values()) and not subjects:
        raise ContractError(
            f"Table {name} has personal fields but no subject.",
            do="mark the Ref to the person, or the key, with subject=True",
        )


def _check_field(field: Field) -> None:
    """Refuse a field that could not be kept."""
    _check_name(field)
    if len(field.doc.strip()) < 3:
        raise ContractError(f"{field.title} needs a sentence that says what it means.")
    if field.subject and not (isinstance(field, Ref) or field.key):
        raise ContractError(f"{field.title}: only a Ref or the key can be the subject.")
    if field.subject and field.optional:
        raise ContractError(f"{field.title} is the subject: it cannot be optional.")
    if isinstance(field, Money):
        other = field.table.fields.get(field.currency)
        if other is None or other.sealed:
            raise ContractError(
                f"{field.title} names a currency column that {field.table.__name__} lacks.",
                got=field.currency,
                do=suggest(field.currency, field.table.fields),
            )
    if isinstance(field, Text) and field.pan and not field.personal:
        raise ContractError(f"{field.title} is a card number: say personal=True.")


def _check_name(field: Field) -> None:
    """Refuse a name that a file, an engine or the table itself could not carry."""
    if not _NAME.fullmatch(field.name) or field.name == "known_time":
        raise ContractError(
            "A field's name is lower-case letters, digits and _, and not known_time.",
            got=field.name,
        )
    if field.name in vars(Table) or (field.name == "key" and not field.key):
        raise ContractError(
            f"{field.title} has a name that every table uses itself.",
            got=field.name,
            do=f"name it {field.name}_ or more exactly",
        )
