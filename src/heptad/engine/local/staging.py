# SPDX-License-Identifier: Apache-2.0
"""Taking staged Parquet files into a table's folder: checked, durable, named by their digest."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from errno import ENOENT
from os import strerror
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
from pyarrow import ArrowException

from heptad.engine.local.arrow import holds
from heptad.engine.local.commits import LakeFile
from heptad.engine.local.disk import digest, sync
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from heptad.standards.fields import Column

_MONTH = re.compile(r"_month=(\d{4}-\d{2})")


def place(folder: Path, staged: Path, origin: str, columns: Sequence[Column]) -> list[LakeFile]:
    """Check staged files, make them durable and move them under their final names.

    Args:
        folder: the table's folder.
        staged: a folder on the same file system.
        origin: what brought the files; the first part of their names.
        columns: what the files must hold.

    Raises:
        ContractError: if a file does not hold the columns, or lies in a wrong folder.
        OSError: if the disk refuses, or `staged` is not there; an empty one is no error.
    """
    if not staged.is_dir():
        raise FileNotFoundError(ENOENT, strerror(ENOENT), str(staged))
    paths = sorted(staged.rglob("*.parquet"))
    rows = [_checked(path, columns) for path in paths]
    months = [_month_of(path.relative_to(staged), columns) for path in paths]
    with ThreadPoolExecutor(2) as pool:
        digests = list(pool.map(_synced_digest, paths))
    placed = []
    for number, (path, month, sha256) in enumerate(zip(paths, months, digests, strict=True)):
        home = folder if month is None else folder / f"_month={month}"
        home.mkdir(exist_ok=True)
        target = home / f"{origin}-{number:04d}-{sha256}.parquet"
        size = path.stat().st_size
        path.replace(target)
        relative = str(target.relative_to(folder))
        placed.append(LakeFile(relative, size, sha256, rows[number], month))
    for home in {(folder / file.path).parent for file in placed} | {folder}:
        sync(home)
    return placed


def _checked(path: Path, columns: Sequence[Column]) -> int:
    """Return a staged file's rows if it has the columns that the table stores."""
    try:
        metadata = pq.read_metadata(path)
        found = {f.name: f.type for f in metadata.schema.to_arrow_schema()}
    except ArrowException as error:
        raise ContractError("A staged file is not Parquet.", got=path.name) from error
    stored = {c.name: c for c in columns if c.name != "_month"}
    wrong = [f"{name} is not a column" for name in found if name not in stored]
    for column in stored.values():
        if column.name not in found:
            wrong += [] if column.optional else [f"{column.name} is missing"]
        elif not holds(column.kind, found[column.name]):
            wrong.append(f"{column.name} is {found[column.name]}, not {column.kind}")
    if wrong:
        raise ContractError("Staged rows do not have the table's columns.", got="; ".join(wrong))
    return int(metadata.num_rows)


def _synced_digest(path: Path) -> str:
    """Make a staged file durable and return its digest."""
    sync(path)
    return digest(path)


def _month_of(path: Path, columns: Sequence[Column]) -> str | None:
    """Return the month in whose folder a staged file lies; None in a table without months."""
    folders = path.parts[:-1]
    if not any(c.name == "_month" for c in columns):
        if folders:
            raise ContractError("A state table's staged files lie flat.", got=str(path))
        return None
    found = _MONTH.fullmatch(folders[0]) if len(folders) == 1 else None
    if not found:
        raise ContractError(
            "An event table's staged files lie in folders _month=YYYY-MM.", got=str(path)
        )
    return found[1]
