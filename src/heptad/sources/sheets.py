# SPDX-License-Identifier: Apache-2.0
"""Small tables that people send: the rows of a CSV file or of the first sheet of an XLSX workbook."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from xml.etree import ElementTree as Xml

from heptad.standards.errors import InputError

LARGEST = 50_000_000
"""A file, or a part of a workbook once unpacked, of more bytes than this is refused."""
MOST = 1_000_000
"""A file of more rows than this is refused: load it as a source instead."""

_CELL = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_sheet(content: bytes, name: str) -> list[dict[str, str]]:
    """Read rows by the names in the first row; every cell as text, an empty one left out.

    Args:
        content: of the file.
        name: of the file; .csv or .xlsx.

    Raises:
        InputError: if it cannot be read, is too large, or names a column twice.
    """
    if len(content) > LARGEST:
        raise InputError(f"{name} is larger than {LARGEST:,} bytes.", do="load it as a source")
    suffix = name.rpartition(".")[2].lower()
    if suffix not in ("csv", "xlsx"):
        raise InputError("A list is a CSV file or an XLSX workbook.", got=name, do="name it .csv")
    rows = _workbook(content, name) if suffix == "xlsx" else _lines(content, name)
    if not rows:
        raise InputError(f"{name} has no rows.", do="begin with the names of the columns")
    if len(rows) > MOST:
        raise InputError(f"{name} has more than {MOST:,} rows.", do="load it as a source")
    names = [cell.strip() for cell in rows[0]]
    if len(set(names)) < len(names) or "" in names:
        raise InputError(
            f"The columns of {name} have names of their own.",
            got=", ".join(names),
            place=f"{name} line 1",
        )
    return [
        {n: cell.strip() for n, cell in zip(names, row, strict=False) if cell.strip()}
        for row in rows[1:]
        if any(cell.strip() for cell in row)
    ]


def _lines(content: bytes, name: str) -> list[list[str]]:
    try:
        text = content.decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except UnicodeDecodeError:
        raise InputError(f"{name} is not UTF-8.", do="save it as CSV UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{name} is not CSV.", got=str(error)) from None


def _workbook(content: bytes, name: str) -> list[list[str]]:
    """Read the first sheet: numbers as they are stored, texts by the table of shared texts."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            sheets = sorted(
                (n for n in book.namelist() if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", n)),
                key=lambda n: int(re.sub(r"\D", "", n)),
            )
            if not sheets:
                raise InputError(f"{name} has no sheet.", do="save it as XLSX or CSV")
            texts = (
                _shared(_part(book, "xl/sharedStrings.xml")) if _SHARED in book.namelist() else []
            )
            return _rows(_part(book, sheets[0]), texts)
    except (
        zipfile.BadZipFile,
        Xml.ParseError,
        NotImplementedError,
        ValueError,
        IndexError,
    ) as error:
        raise InputError(
            f"{name} cannot be read as a workbook.", got=str(error)[:200], do="save it as CSV"
        ) from None


_SHARED = "xl/sharedStrings.xml"


def _part(book: zipfile.ZipFile, path: str) -> Xml.Element:
    """Parse a part; one that declares entities of its own is refused."""
    with book.open(path) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise ValueError(f"{path} is too large, or declares entities")
    return Xml.fromstring(content)  # noqa: S314 - entities were refused


def _shared(root: Xml.Element) -> list[str]:
    return ["".join(t.text or "" for t in item.iter(f"{_SPACE}t")) for item in root]


def _rows(root: Xml.Element, texts: list[str]) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in root.iter(f"{_SPACE}row"):
        cells: list[str] = []
        for cell in row.iter(f"{_SPACE}c"):
            found = _CELL.fullmatch(cell.get("r", ""))
            at = _number(found[1]) if found else len(cells)
            if at > 1000:
                raise ValueError("a sheet has at most 1000 columns")
            cells += [""] * (at + 1 - len(cells))
            cells[at] = _value(cell, texts)
        rows.append(cells)
        if len(rows) > MOST + 1:
            break
    return rows


def _number(letters: str) -> int:
    found = 0
    for letter in letters:
        found = found * 26 + ord(letter) - 64
    return found - 1


def _value(cell: Xml.Element, texts: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return "".join(t.text or "" for t in cell.iter(f"{_SPACE}t"))
    value = cell.find(f"{_SPACE}v")
    text = "" if value is None else value.text or ""
    return texts[int(text)] if cell.get("t") == "s" and text else text
