# SPDX-License-Identifier: Apache-2.0
"""Merging small Parquet files into larger ones without changing a row."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from heptad.engine.local.duck import Duck
from heptad.engine.local.relations import relation_of
from heptad.engine.sql.identifiers import literal
from heptad.standards.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from heptad.engine.local.commits import LakeFile
    from heptad.standards.fields import Column

Group = list["LakeFile"]


def groups(files: Sequence[LakeFile], small_bytes: int, most_bytes: int) -> list[Group]:
    """Choose which files are merged into one: small ones of the same month, at least two."""
    months: defaultdict[str | None, list[Group]] = defaultdict(lambda: [[]])
    for file in files:
        if file.size < small_bytes:
            last = months[file.partition][-1]
            if sum(f.size for f in last) + file.size > most_bytes:
                months[file.partition].append([file])
            else:
                last.append(file)
    return [group for found in months.values() for group in found if len(group) > 1]


def merge(folder: Path, stage: Path, chosen: Sequence[Group], columns: Sequence[Column]) -> None:
    """Write each group of files as one file under `stage`, rows ordered by load and line.

    Raises:
        Corrupt: if the rows written are not the rows read.
        Busy: if there is too little memory or disk.
    """
    with Duck(folder.parent, allow=[folder]) as duck:
        for number, group in enumerate(chosen):
            old = _reading([str(folder / file.path) for file in group], columns)
            month = group[0].partition
            home = stage if month is None else stage / f"_month={month}"
            home.mkdir(exist_ok=True)
            target = home / f"{number}.parquet"
            duck.run(
                f"COPY (SELECT * FROM {old} ORDER BY _load, _line, _hash) "
                f"TO {literal(str(target))} (FORMAT parquet)"
            )
            if _fingerprint(duck, old) != _fingerprint(duck, _reading([str(target)], columns)):
                raise Corrupt(
                    f"Merging files of {folder.name} did not keep its rows; nothing was changed.",
                    got=group[0].path,
                    do="run `heptad doctor --scrub`",
                )


def _reading(paths: Sequence[str], columns: Sequence[Column]) -> str:
    """Return SQL that reads the stored columns of files."""
    return relation_of(paths, [c for c in columns if c.name != "_month"])


def _fingerprint(duck: Duck, relation: str) -> pa.Table:
    """Return values that change when a row is lost, doubled or altered."""
    return duck.arrow(
        f"SELECT count(*) AS n, sum(hash(r)::HUGEINT)::VARCHAR AS total FROM {relation} AS r"
    )
