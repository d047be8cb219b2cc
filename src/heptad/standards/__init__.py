# SPDX-License-Identifier: Apache-2.0
"""The vocabulary that every layer shares: fields, tables, money, time, expressions, errors."""

from heptad.standards.fields import (
    Code,
    Column,
    Day,
    Field,
    Flag,
    Instant,
    Integer,
    Money,
    Number,
    Path,
    Place,
    Ref,
    Text,
)
from heptad.standards.tables import Table, named
from heptad.standards.time import day, hour, minute, second, week

__all__ = [
    "Code",
    "Column",
    "Day",
    "Field",
    "Flag",
    "Instant",
    "Integer",
    "Money",
    "Number",
    "Path",
    "Place",
    "Ref",
    "Table",
    "Text",
    "day",
    "hour",
    "minute",
    "named",
    "second",
    "week",
]
