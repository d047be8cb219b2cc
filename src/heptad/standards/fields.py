# SPDX-License-Identifier: Apache-2.0
"""Fields: the documented, typed columns that a table is declared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from heptad.standards.codes import code_list
from heptad.standards.errors import ContractError, HeptadError, suggest
from heptad.standards.expression import Column as ColumnNode
from heptad.standards.expression import Expression, Operand

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heptad.standards.tables import Table

Kind = Literal["text", "integer", "instant", "day", "flag", "sealed"]


@dataclass(frozen=True, slots=True)
class Column:
    """One physical column of a stored table.

    Kinds: text (UTF-8), integer (int64), instant (int64 microseconds, UTC), day (date),
    flag (boolean), sealed (ciphertext of a personal value).
    """

    name: str
    kind: Kind
    optional: bool


class Field(Operand):
    """One documented column. `Payment.amount` is the field; operators on it build expressions.

    Args:
        doc: what the value means, in one sentence.
        key: names the row; exactly one field of a table does.
        optional: may be missing.
        personal: says who a person is; sealed under the subject's key.
        subject: the person whom the row is about.
        purposes: the purposes under which a personal value may be opened.
        ge: the smallest value allowed.
        le: the largest value allowed.
        unit: unit of the value, for people and for exports.
    """

    kind: ClassVar[Kind]
    name: str
    table: type[Table]

    def __init__(  # noqa: PLR0913 - these are the clauses of a declaration, all by name
        self,
        doc: str,
        *,
        key: bool = False,
        optional: bool = False,
        personal: bool = False,
        subject: bool = False,
        purposes: Iterable[str] = (),
        ge: int | None = None,
        le: int | None = None,
        unit: str = "",
    ) -> None:
        self.doc, self.key, self.optional, self.personal = doc, key, optional, personal
        self.subject, self.purposes = subject, frozenset(purposes)
        self.ge, self.le, self.unit = ge, le, unit

    def __set_name__(self, owner: type[Table], name: str) -> None:
        self.table, self.name = owner, name

    def __repr__(self) -> str:
        return f"{self.table.__name__}.{self.name}" if hasattr(self, "table") else "Field"

    @property
    def title(self) -> str:
        """`Table.field`, as errors and lineage name it."""
        return f"{self.table.__name__}.{self.name}"

    @property
    def sealed(self) -> bool:
        """Whether the stored value is ciphertext."""
        return self.personal

    def expression(self) -> Expression:
        """Return the column that an expression over this table reads; a Place has two, so none."""
        columns = self.columns()
        kind = columns[0].kind if len(columns) == 1 else None
        return ColumnNode(self.name, kind, self.table.__name__)

    def columns(self) -> tuple[Column, ...]:
        """Return the physical columns that hold this field."""
        return (Column(self.name, "sealed" if self.sealed else self.kind, self.optional),)

    def contract(self) -> dict[str, Any]:
        """Return what is declared, as plain data, without clauses left at their default."""
        declared: dict[str, Any] = {"type": type(self).__name__, "doc": self.doc}
        for clause in ("key", "optional", "personal", "subject", "ge", "le", "unit"):
            value = getattr(self, clause)
            if value is not None and value is not False and value != "":
                declared[clause] = value
        if self.purposes:
            declared["purposes"] = sorted(self.purposes)
        return declared


class Text(Field):
    """Text in UTF-8.

    Args:
        doc: what the value means.
        pan: a card number; stored as a token with its BIN and last four digits.
        max_length: most characters allowed.
        **clauses: those of `Field`.
    """

    kind = "text"

    def __init__(
        self, doc: str, *, pan: bool = False, max_length: int = 1000, **clauses: Any
    ) -> None:
        super().__init__(doc, **clauses)
        self.pan, self.max_length = pan, max_length

    @property
    def sealed(self) -> bool:
        """Whether the stored value is ciphertext; a card number is a token instead."""
        return self.personal and not self.pan

    def contract(self) -> dict[str, Any]:
        """Return what is declared, as plain data."""
        more: dict[str, Any] = {"pan": True} if self.pan else {}
        return super().contract() | more | {"max_length": self.max_length}


class Code(Field):
    """A value of a closed list: a named standard, or the set given in place."""

    kind = "text"

    def __init__(self, doc: str, *, standard: str | set[str], **clauses: Any) -> None:
        super().__init__(doc, **clauses)
        self.standard = standard if isinstance(standard, str) else ""
        self.codes = code_list(standard)

    def contract(self) -> dict[str, Any]:
        """Return what is declared, as plain data."""
        return super().contract() | {"standard": self.standard or sorted(self.codes)}


class Ref(Field):
    """The key of a row of another table; `Label.payment.merchant` walks on from it."""

    kind = "text"

    def __init__(self, target: type[Table] | str, doc: str, **clauses: Any) -> None:
        super().__init__(doc, **clauses)
        self._target = target

    @property
    def target(self) -> type[Table]:
        """The table referred to."""
        if isinstance(self._target, str):
            from heptad.standards.tables import named

            self._target = named(self._target)
        return self._target

    @property
    def target_name(self) -> str:
        """The name of the table referred to, without resolving it."""
        return self._target if isinstance(self._target, str) else self._target.__name__

    def __getattr__(self, name: str) -> Path:
        if name.startswith("_") or name in ("table", "name"):
            raise AttributeError(name)
        return _walked(Path((self,)), name)

    def __getitem__(self, name: str) -> Path:
        """Walk on to a field whose name an attribute of this Ref hides: `customer["name"]`."""
        return Path((self,)).step(name)

    def contract(self) -> dict[str, Any]:
        """Return what is declared, as plain data."""
        return super().contract() | {"table": self.target_name}


class Path(Operand):
    """A walk over declared Refs to a field: `Label.payment.merchant`."""

    __slots__ = ("fields",)

    def __init__(self, fields: tuple[Field, ...]) -> None:
        self.fields = fields

    @property
    def table(self) -> type[Table]:
        """The table that the walk starts from."""
        return self.fields[0].table

    @property
    def end(self) -> Field:
        """The field that the walk ends at."""
        return self.fields[-1]

    def step(self, name: str) -> Path:
        """Walk one field on.

        Raises:
            ContractError: if the last field is no Ref, or its table has no such field.
        """
        last = self.fields[-1]
        if not isinstance(last, Ref):
            raise ContractError(f"{last.title} is no Ref, so nothing can be read through it.")
        fields = last.target.fields
        if name not in fields:
            raise ContractError(
                f"{last.target_name} has no field {name!r}.", got=name, do=suggest(name, fields)
            )
        return Path((*self.fields, fields[name]))

    def __getattr__(self, name: str) -> Path:
        if name.startswith("_"):
            raise AttributeError(name)
        return _walked(self, name)

    __getitem__ = step

    def __repr__(self) -> str:
        return ".".join([self.table.__name__, *(f.name for f in self.fields)])


def _walked(path: Path, name: str) -> Path:
    """Walk on by attribute; a name that is no field is no attribute either."""
    try:
        return path.step(name)
    except HeptadError as error:
        raise AttributeError(str(error)) from error


class Instant(Field):
    """An instant, int64 microseconds since 1970, UTC."""

    kind = "instant"


class Day(Field):
    """A calendar day without a time zone."""

    kind = "day"


class Flag(Field):
    """True or false."""

    kind = "flag"


class Integer(Field):
    """A whole number, 64 bits."""

    kind = "integer"


class Number(Field):
    """A measured number in fixed point, so that sums are exact: int64 of value × 10^scale."""

    kind = "integer"

    def __init__(self, doc: str, *, scale: int, **clauses: Any) -> None:
        super().__init__(doc, **clauses)
        if not 0 <= scale <= 12:
            raise ContractError("A Number has between 0 and 12 decimals.", got=scale)
        self.scale = scale

    def contract(self) -> dict[str, Any]:
        """Return what is declared, as plain data."""
        return super().contract() | {"scale": self.scale}


class Money(Field):
    """An amount, int64 minor units of the currency in the column `currency` of the same row."""

    kind = "integer"

    def __init__(self, doc: str, *, currency: str, **clauses: Any) -> None:
        super().__init__(doc, **clauses)
        self.currency = currency

    def contract(self) -> dict[str, Any]:
        """Return what is declared, as plain data."""
        return super().contract() | {"currency": self.currency}


class Place(Field):
    """A position on WGS 84: two int64 columns, `_lat` and `_lon`, in 1e-7 degrees."""

    kind = "integer"
    SCALE = 7

    def columns(self) -> tuple[Column, ...]:
        """Return the latitude and longitude columns; one sealed column if personal."""
        if self.sealed:
            return super().columns()
        return (
            Column(f"{self.name}_lat", "integer", self.optional),
            Column(f"{self.name}_lon", "integer", self.optional),
        )
