# SPDX-License-Identifier: Apache-2.0
"""The verbs of the command line, declared on the application of `heptad.terminal.cli`."""

from heptad.terminal.verbs import (
    access,
    backups,
    cards,
    cases,
    changing,
    data,
    decisions,
    engines,
    exploring,
    features,
    flows,
    lists,
    online,
    project,
    rows,
    schedule,
    service,
    subjects,
)

__all__ = [
    "access",
    "backups",
    "cards",
    "cases",
    "changing",
    "data",
    "decisions",
    "engines",
    "exploring",
    "features",
    "flows",
    "lists",
    "online",
    "project",
    "rows",
    "schedule",
    "service",
    "subjects",
]
