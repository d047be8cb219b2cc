# SPDX-License-Identifier: Apache-2.0
"""Guess a first binding of a user's file: its dialect, its table, its map; to be checked by them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from contextlib import suppress
from datetime import datetime
from difflib import SequenceMatcher
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from heptad.standards import Code, Instant
from heptad.standards.errors import InputError
from heptad.standards.model import MODEL
from heptad.standards.tables import named

if TYPE_CHECKING:
    from pathlib import Path

    from heptad.standards import Field, Table

_SAMPLE = 50
_LIKELY = 0.7
_MOSTLY = 0.8
_MOST_WORDS = 12
_FORMATS = (
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y",
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%Y%m%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d",
    "%d-%m-%Y %H:%M:%S", "%d-%m-%Y",
)  # fmt: skip
_COMMA = re.compile(r"-?\d{1,3}(\.?\d{3})*,\d{1,3}")
_THOUSANDS = re.compile(r"-?\d{1,3}(\.\d{3})+,\d{1,3}")
_GROUPED = re.compile(r"-?\d{1,3}(?:([,' ])\d{3})(?:\1\d{3})*(?:[.,]\d{1,3})?")
_LOCAL = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[ T]\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?")
"""A date and a time of day without an offset."""
_SYNONYMS = {
    "event_time": {"timestamp", "date", "datetime", "ts", "time", "booked", "created", "day"},
    "id": {"transaction", "tx", "number", "reference", "key", "uuid"},
    "customer": {"client", "user", "account_holder", "cust", "customer_id", "payer"},
    "amount": {"value", "sum", "total", "eur", "usd", "price", "spent"},
    "merchant": {"shop", "store", "payee", "vendor"},
    "currency": {"ccy", "cur"},
    "status": {"state", "result"},
}


def binding(file: Path, folder: Path, table: str) -> tuple[str, list[str]]:
    """Return the `[[source]]` block for a file, and what to say about it.

    Args:
        file: CSV, TSV or JSON Lines, perhaps gzipped; Parquet is bound by its own names.
        folder: the project's.
        table: the table that it holds rows of; guessed if "".

    Raises:
        InputError: if the file cannot be read.
    """
    place = str(file.relative_to(folder)) if folder in file.parents else str(file)
    columns, rows, dialect = _peek(file)
    chosen = named(table) if table else _likeliest(columns)
    entries, missing = _map(chosen, columns, rows)
    lines = ["[[source]]", f'table = "{chosen.__name__}"', f"from = {json.dumps(place)}"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in dialect.items()]
    local = [
        name
        for name, sql in entries.items()
        if isinstance(chosen.fields.get(name), Instant)
        and any(
            _LOCAL.fullmatch(v)
            for c in columns
            if _quoted(c) in sql
            for v in _values(c, columns, rows)
        )
    ]
    if local:
        lines.append('# zone = "Europe/Madrid"  # the times have no zone: UTC is assumed')
    lines.append("[source.map]")
    fixed = {name: sql for name, sql in entries.items() if sql.startswith("'")}
    lines += [
        f"{name} = {_toml(sql)}" + ("  # the same in each row: no column of it was found"
                                    if name in fixed else "")
        for name, sql in entries.items()
    ]  # fmt: skip
    lines += [f'# {f.name} = "…"  # required: {f.doc}' for f in missing]
    bound = ", ".join(name for name in entries if name not in fixed)
    said = [f"bound {file.name} to {chosen.__name__}: {bound or 'nothing'}"]
    used = len(entries) - len(fixed)
    if not used or (not table and (missing or 2 * used < len(columns))):
        said.append(_doubt(chosen, used, len(columns)))
    if fixed:
        same = ", ".join(f"{name} = {sql}" for name, sql in fixed.items())
        said.append(f"no column was found for these, so each row gets the same: {same}")
    if local:
        told = ", ".join(local)
        said.append(f"the times of {told} have no zone: UTC is assumed, or say zone in the source")
    unused = [c for c in columns if not any(_quoted(c) in sql for sql in entries.values())]
    if unused:
        said.append(f"not used: {', '.join(unused)}")
    if missing:
        said.append(f"give a map entry for: {', '.join(f.name for f in missing)}")
    for name, words in _foreign(chosen, entries, columns, rows).items():
        lines += _codes(chosen.fields[name], words)
        said.append(f"translate the words of {name}: {', '.join(words)}")
    return "\n".join(lines) + "\n", said


def _doubt(chosen: type[Table], used: int, columns: int) -> str:
    """Say that a table was guessed from little."""
    if not used:
        return "no column is named like a field of a table; say which table with --table"
    return (
        f"{chosen.__name__} is a guess: {used} of {columns} columns fit it; "
        "if the rows are of another table, say which with --table"
    )


def _peek(file: Path) -> tuple[list[str], list[list[str]], dict[str, str]]:
    """Read the columns and the first rows, and how the file is written."""
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        return list(pq.read_schema(file).names), [], {}
    try:
        opener = gzip.open if file.suffix == ".gz" else open
        with opener(file, "rb") as handle:
            raw = handle.read(1 << 16)
    except OSError as error:
        raise InputError("The file cannot be read.", got=str(error), place=str(file)) from error
    text, encoding = _decoded(raw)
    if file.name.removesuffix(".gz").endswith((".jsonl", ".ndjson", ".json")):
        return _peek_json(text, file)
    lines = text.splitlines()[: _SAMPLE + 1]
    if not lines:
        raise InputError("The file is empty.", place=str(file))
    separator = max(",;\t|", key=lambda s: min(line.count(s) for line in lines[:5]))
    columns, *rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator))
    dialect = {"separator": separator} if separator != "," else {}
    if encoding != "utf-8":
        dialect["encoding"] = encoding
    return columns, rows, dialect | _numbers(rows)


def _numbers(rows: list[list[str]]) -> dict[str, str]:
    """Return how numbers are written, where it is not with a decimal point alone."""
    dialect: dict[str, str] = {}
    if sum(bool(_COMMA.fullmatch(c)) for row in rows for c in row) > len(rows) // 2:
        dialect["decimal"] = ","
        if any(_THOUSANDS.fullmatch(c) for row in rows for c in row):
            dialect["thousands"] = "."
    if "thousands" not in dialect and (mark := _grouping(rows, dialect.get("decimal", "."))):
        dialect["thousands"] = mark
    return dialect


def _grouping(rows: list[list[str]], decimal: str) -> str:
    """Return the mark that groups the digits of numbers; "" if none is sure.

    A comma alone may be a decimal one: it groups where a decimal point stands behind it, or in
    two places.
    """
    for value in (cell for row in rows for cell in row):
        found = _GROUPED.fullmatch(value)
        if found and found[1] != decimal:
            rest = value[value.index(found[1]) :]
            if found[1] != "," or "." in rest or rest.count(",") > 1:
                return found[1]
    return ""


def _peek_json(text: str, file: Path) -> tuple[list[str], list[list[str]], dict[str, str]]:
    """Read the names and first values of JSON Lines."""
    rows = []
    for line in islice(text.splitlines()[:-1] or text.splitlines(), _SAMPLE):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise InputError(
                "The file is not JSON Lines.", got=str(error), place=str(file)
            ) from error
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return columns, [[str(row.get(c, "")) for c in columns] for row in rows], {}


def _decoded(raw: bytes) -> tuple[str, str]:
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding, "strict" if len(raw) < 1 << 16 else "ignore"), encoding
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1"), "latin-1"


def _likeness(field: Field, column: str) -> float:
    """Say how alike a field and a column are, in [0, 1]."""
    name = column.strip().lower().replace(" ", "_")
    words = set(re.split(r"[^a-z0-9]+", name))
    if name == field.name:
        return 1.0
    if name in (f"{field.name}_id", f"{field.name}id"):
        return 0.95
    if words & _SYNONYMS.get(field.name, set()) or field.name in words:
        return 0.8
    return SequenceMatcher(None, field.name, name).ratio() * 0.9


def _likeliest(columns: list[str]) -> type[Table]:
    """Guess the table: the one that most columns fit and that then lacks least."""

    def fit(table: type[Table]) -> tuple[int, int]:
        entries, missing = _map(table, columns, [])
        used = sum(not sql.startswith("'") for sql in entries.values())
        return used - 2 * len(missing), -len(table.fields)

    return max(MODEL.values(), key=fit)


def _map(
    table: type[Table], columns: list[str], rows: list[list[str]]
) -> tuple[dict[str, str], list[Field]]:
    """Return the map entries that were guessed, and the required fields that lack one."""
    free = list(columns)
    entries: dict[str, str] = {}
    missing = []
    for field in table.fields.values():
        best = max(free, key=partial(_likeness, field), default=None)
        if best is None or _likeness(field, best) < _LIKELY:
            constant = _constant(field, columns)
            if constant:
                entries[field.name] = constant
            elif not field.optional:
                missing.append(field)
            continue
        free.remove(best)
        entries[field.name] = _expression(field, best, _values(best, columns, rows))
    return entries, missing


def _constant(field: Field, columns: list[str]) -> str:
    """Return an expression for a field that the file leaves out because it never varies."""
    if isinstance(field, Code) and field.standard == "ISO 4217" and not field.optional:
        found = [c for c in columns if set(c.upper().split("_")) & field.codes]
        code = next((w for c in found for w in c.upper().split("_") if w in field.codes), "EUR")
        return f"'{code}'"
    if isinstance(field, Code) and field.name == "status" and "authorised" in field.codes:
        return "'authorised'"
    return ""


def _foreign(
    table: type[Table], entries: dict[str, str], columns: list[str], rows: list[list[str]]
) -> dict[str, list[str]]:
    """Return, by field, the words of a column that are no codes of the field."""
    found = {}
    for name, sql in entries.items():
        field, column = table.fields[name], sql[1:-1].replace('""', '"')
        if isinstance(field, Code) and column in columns:
            words = sorted(set(_values(column, columns, rows)) - {"", *field.codes})
            if words:
                found[name] = words[:_MOST_WORDS]
    return found


def _codes(field: Field, words: list[str]) -> list[str]:
    """Return the lines that translate words into codes; those not understood as comments."""
    codes = sorted(field.codes) if isinstance(field, Code) else []
    meant = {code.lower(): code for code in codes}
    known = {word: meant[word.lower()] for word in words if word.lower() in meant}
    wanted = ", ".join(codes) if len(codes) <= _MOST_WORDS else getattr(field, "standard", "")
    lines = [f"[source.codes.{field.name}]"]
    lines += [f"{_json(word)} = {_json(code)}" for word, code in known.items()]
    lines += [f'# {_json(word)} = "…"  # one of: {wanted}' for word in words if word not in known]
    return lines


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _toml(text: str) -> str:
    """Write text in TOML, as it is where it has neither quote nor control character."""
    return f"'{text}'" if text.isprintable() and "'" not in text else _json(text)


def _values(column: str, columns: list[str], rows: list[list[str]]) -> list[str]:
    at = columns.index(column)
    return [row[at] for row in rows if len(row) == len(columns)]


def _expression(field: Field, column: str, values: list[str]) -> str:
    """Return the expression that reads a column as a field."""
    quoted = _quoted(column)
    if isinstance(field, Instant):
        form = max(_FORMATS, key=lambda f: _reads(values, f))
        if _reads(values, form) > _MOSTLY * len(values):
            return f"strptime({quoted}, '{form}')"
    return quoted


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _reads(values: list[str], form: str) -> int:
    """Count the values that a format reads; some rows of a real file are wrong."""
    found = 0
    for value in values:
        with suppress(ValueError):
            datetime.strptime(value, form)  # noqa: DTZ007 - only the form is tried
            found += 1
    return found
