# SPDX-License-Identifier: Apache-2.0
"""Allow, deny and watch lists: a table like any other, asked by a feature, filled from a file."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from heptad.engine.sql.identifiers import quote
from heptad.service.features import latest
from heptad.standards import Ref
from heptad.standards.errors import ContractError, InputError, suggest
from heptad.standards.model.lists import Listing
from heptad.standards.time import LATEST, format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.service.features import Feature
    from heptad.standards import Field

REFS = {f.target_name: f for f in Listing.fields.values() if isinstance(f, Ref)}
"""Table → the field of Listing that names a row of it."""


def on_list(name: str, of: Field) -> Feature:
    """Tell until when a value stands on a list: the entry that began last counts.

    Declare it as a feature `{list}_{column}`, and ask for it in a flow with
    `listed: [{column: merchant}, watched]`. Like every feature it is read as of an instant and
    as known by then, so that a decision replays with the list as it was.

    Args:
        name: of the list.
        of: the Ref of the table decided on, for example Payment.merchant.

    Raises:
        ContractError: if lists hold nothing of that kind.
    """
    target = of.target_name if isinstance(of, Ref) else ""
    if target not in REFS:
        raise ContractError(
            f"{of.title} names nothing that stands on lists.", got=target or of.kind,
            do=suggest(target, REFS),
        )  # fmt: skip
    return latest(Listing.until, by=REFS[target], where=Listing.list == name)


def relation(stored: str) -> str:
    """Return SQL of the relation that `listed` reads where rules run as SQL.

    Args:
        stored: the relation of Listing's row versions, as `Reads.stored` gives it.

    Returns:
        `SELECT list, value, valid_from, valid_until, known_from, known_until`, instants in
        microseconds: each row version from when it was known until a later one of its entry was.
        Values of all kinds stand in one column, so a list should hold keys of one table.
    """
    values = ", ".join(quote(field.name) for field in REFS.values())
    return (
        f"SELECT list, value, valid_from, valid_until, known_from, known_until FROM ("
        f"SELECT list, coalesce({values}) AS value, event_time AS valid_from, until AS valid_until, "
        f"known_time AS known_from, _deleted AS gone, coalesce(lead(known_time) OVER (PARTITION BY id "
        f"ORDER BY known_time, _load, _line), {2**62}) AS known_until FROM {stored}) WHERE NOT gone"
    )


def entries(  # noqa: PLR0913 - what an upload is, by name
    sheet: Sequence[Mapping[str, str]],
    *,
    name: str,
    kind: str,
    of: str,
    column: str,
    since: int,
    until: int | None = None,
) -> list[dict[str, Any]]:
    """Turn the rows of a file into entries of a list.

    Args:
        sheet: rows by column.
        name: of the list.
        kind: allow, deny or watch.
        of: table whose keys are listed, for example Merchant.
        column: of the file that holds the keys.
        since: from when they stand there, microseconds, where no column `since` says otherwise.
        until: until when, where no column `until` says otherwise; None for no end.

    Raises:
        InputError: with the line, if a key is missing or an instant is none.
    """
    if of not in REFS:
        raise InputError(f"No list holds rows of {of}.", got=of, do=suggest(of, REFS))
    made = []
    for number, row in enumerate(sheet, start=2):
        key = row.get(column)
        if not key:
            raise InputError(
                f"A row has nothing in the column {column!r}.", place=f"line {number}",
                do=suggest(column, row),
            )  # fmt: skip
        try:
            start = parse_instant(row["since"]) if "since" in row else since
            end = parse_instant(row["until"]) if "until" in row else until
        except InputError as error:
            error.place = f"line {number}"
            raise
        at, to = format_instant(start), format_instant(LATEST if end is None else end)
        text = "\0".join((name, of, key, at))
        made.append(
            {"id": hashlib.sha256(text.encode()).hexdigest()[:24], "event_time": at, "list": name,
             "kind": kind, "until": to, REFS[of].name: key}
        )  # fmt: skip
    return made
