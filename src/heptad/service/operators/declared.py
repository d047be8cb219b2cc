# SPDX-License-Identifier: Apache-2.0
"""The operators of features: what each takes, what it gives, and which engines carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Takes = Literal["any", "number", "flag", "place"]
Gives = Literal["integer", "number", "value", "text", "flag", "list"]


@dataclass(frozen=True, slots=True)
class Operator:
    """What is known of one operator.

    Attributes:
        name: as it is written.
        tier: 1 where SQL carries it, 2 where only the kernel does.
        takes: the kind of field that it is asked of.
        gives: the kind of its result; `value` is one of the values of the field.
        unit: unit of the result, or '' for that of the field.
        says: what it answers, in one sentence.
        clauses: what it must be told beside `by`, `over`, `every`, `where`, `delay`, `default`.
    """

    name: str
    tier: Literal[1, 2]
    takes: Takes
    gives: Gives
    unit: str
    says: str
    clauses: tuple[str, ...] = ()


OPERATORS: dict[str, Operator] = {
    o.name: o
    for o in (
        Operator("count", 1, "any", "integer", "events", "Rows that have a value; 0 without."),
        Operator("total", 1, "number", "integer", "", "Sum of the values; 0 without."),
        Operator("mean", 1, "number", "number", "", "Arithmetic mean."),
        Operator("smallest", 1, "number", "integer", "", "Smallest value."),
        Operator("largest", 1, "number", "integer", "", "Largest value."),
        Operator("spread", 1, "number", "number", "",
                 "Sample standard deviation; none below two values."),
        Operator("latest", 1, "any", "value", "",
                 "Value in the latest row that has one; ties go to the greater key."),
        Operator("earliest", 1, "any", "value", "",
                 "Value in the earliest row that has one; ties go to the smaller key."),
        Operator("share", 1, "any", "number", "fraction",
                 "Rows where `where` is true over all rows that have a value."),
        Operator("rate", 1, "flag", "number", "fraction", "True flags over flags that are there."),
        Operator("ratio", 1, "any", "number", "fraction",
                 "One total or count over another; none where the divisor is 0."),
        Operator("since", 1, "any", "integer", "seconds",
                 "Whole seconds from the latest row that has a value to t."),
        Operator("distinct", 2, "any", "integer", "values",
                 "Different values, counted exactly."),
        Operator("percentile", 2, "number", "integer", "",
                 "The smallest value that at least a fraction q of the values do not exceed.",
                 ("q",)),
        Operator("most_common", 2, "any", "value", "",
                 "The value met most often; ties go to the one met last."),
        Operator("top", 2, "any", "list", "values",
                 "The n values met most often, most frequent first; ties go to the one met last.",
                 ("n",)),
        Operator("entropy", 2, "any", "number", "bits",
                 "Shannon entropy of the values; 0 where all are the same."),
        Operator("previous", 2, "any", "value", "",
                 "The value k rows before the latest; k = 0 is the latest.", ("k",)),
        Operator("sequence", 2, "any", "list", "values", "The last n values, oldest first.",
                 ("n",)),
        Operator("trend", 2, "number", "number", "per day",
                 "Slope of the least-squares line through the values over whole seconds; none "
                 "where fewer than two instants differ."),
        Operator("decayed", 2, "any", "number", "",
                 "Sum of the values (of 1 for each row where the field is no number), halved for "
                 "every `half` that has passed until the window's end, in 1/1024 steps of it.",
                 ("half",)),
        Operator("streak", 2, "any", "integer", "events",
                 "How many of the latest rows in a row have `where` true."),
        Operator("gap", 2, "any", "integer", "seconds",
                 "Longest time between two rows that follow each other, in whole seconds; none "
                 "below two rows."),
        Operator("distance", 2, "place", "number", "m",
                 "Metres travelled from place to place along great circles, each leg in whole "
                 "millimetres."),
        Operator("speed", 2, "place", "number", "m/s",
                 "Metres per second between the last two places; none at the same instant."),
        Operator("moved", 2, "place", "number", "m",
                 "Metres between the first and the last place; 0 for one place."),
        Operator("inside", 2, "place", "flag", "", "Whether the last place lies in the fence.",
                 ("fence",)),
        Operator("near", 2, "place", "flag", "",
                 "Whether the last place lies within so many metres of a point of the layer.",
                 ("layer", "metres")),
        Operator("region", 2, "place", "text", "region",
                 "The name of the region that the last place lies in, the first of several; none "
                 "outside all.", ("regions",)),
        Operator("cells", 2, "place", "integer", "cells",
                 "Different H3 cells that places lie in, counted as `distinct` does.",
                 ("resolution",)),
    )
}  # fmt: skip
"""Every operator by name; the page of operators is made from this table."""
