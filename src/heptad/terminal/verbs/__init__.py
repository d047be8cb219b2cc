# SPDX-License-Identifier: Apache-2.0
"""The verbs of the command line, declared on the application of `heptad.terminal.cli`."""

from heptad.terminal.verbs import (
    access,
    backups,
    changing,
    data,
    decisions,
    engines,
    exploring,
    features,
    online,
    project,
    rows,
    service,
    subjects,
)

__all__ = [
    "access",
    "backups",
    "changing",
    "data",
    "decisions",
    "engines",
    "exploring",
    "features",
    "online",
    "project",
    "rows",
    "service",
    "subjects",
]
