# SPDX-License-Identifier: Apache-2.0
"""Why a row can be refused: one table of codes, each with its sentence and its cure."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """Why rows are quarantined.

    Attributes:
        id: of the message, for other languages.
        says: the sentence; `{field}` stands for `Table.field`.
        do: what to do about it.
    """

    id: str
    says: str
    do: str


def _reason(code: str, says: str, do: str) -> tuple[str, Reason]:
    return code, Reason(f"ingest.{code}", says, do)


REASONS: dict[str, Reason] = dict(
    [
        _reason(
            "columns",
            "The record does not have as many fields as the header.",
            "correct the record at its source; check separator and quote",
        ),
        _reason(
            "quote",
            "The record has a quote that does not close, or text behind one that does.",
            "double the quotes inside quoted fields at the source",
        ),
        _reason(
            "encoding",
            "The record is not text in the encoding of the source.",
            'say encoding = "…" in the source, or correct the record',
        ),
        _reason("length", "{field} is longer than allowed.", "shorten it at the source"),
        _reason("json", "The line is not one JSON object.", "correct the line at its source"),
        _reason(
            "control",
            "{field} has control characters.",
            "remove them at the source, or by regexp_replace in the map",
        ),
        _reason(
            "required",
            "{field} is missing.",
            "add it at the source, or a map entry with coalesce(…)",
        ),
        _reason(
            "parse",
            "{field} cannot be read as what it should be.",
            "give its format in the map, for example strptime(column, '%d/%m/%Y')",
        ),
        _reason(
            "code",
            "{field} is not in its list of codes.",
            'translate it: codes = { field = { "their word" = "code" } }',
        ),
        _reason(
            "range", "{field} lies outside its bounds.", "correct it at the source; check its unit"
        ),
        _reason(
            "decimals",
            "{field} has more decimals than its currency.",
            "round it in the map, and say how",
        ),
        _reason("overflow", "{field} does not fit 64 bits.", "check its unit"),
        _reason(
            "currency",
            "{field} is an amount without a currency.",
            "map the currency, for example currency = \"'EUR'\"",
        ),
        _reason(
            "future",
            "{field} lies more than a day in the future.",
            "check the zone and the format of the source",
        ),
        _reason(
            "zone",
            "{field} is a local hour that did not exist, or existed twice.",
            "have the source write the offset, or UTC",
        ),
        _reason("luhn", "{field} is not a card number.", "correct it at the source"),
        _reason(
            "conflict",
            "The key was used twice with different values known at the same time.",
            "map known_time, or keep one of the rows at the source",
        ),
        _reason(
            "erased",
            "The row is about a person whose data were erased.",
            "drop it; if the person has come back: `heptad subject revive KEY --reason …`",
        ),
    ]
)


UNREADABLE = frozenset({"columns", "quote", "encoding", "json"})
"""Reasons of records whose fields are not known: their raw text is not JSON."""


def explain(code: str, field: str) -> str:
    """Say in one sentence why a row was refused.

    >>> explain("required", "Payment.amount")
    'Payment.amount is missing.'
    """
    return REASONS[code].says.format(field=field or "A value")
