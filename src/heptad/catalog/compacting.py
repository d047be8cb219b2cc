# SPDX-License-Identifier: Apache-2.0
"""Compaction: small files of a table merged into a version that the catalog records too."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from heptad.standards.errors import HeptadError

if TYPE_CHECKING:
    from heptad.catalog.catalog import Catalog
    from heptad.engine.local.lake import Lake

SMALL = 2 << 20
"""Bytes of a file that is merged while rows are posted; larger ones wait for `heptad compact`."""
MOST_SMALL = 48
"""Small files of one month, or of a state table, from which on they are merged."""
_LOG = logging.getLogger("heptad.catalog")


def compact(catalog: Catalog, lake: Lake, name: str) -> int:
    """Merge the small files of a table; the rows and all older versions stay what they are.

    Returns:
        The table's version; a new one if something was merged.

    Raises:
        Corrupt: if a file to be merged is damaged; nothing is changed.
        Busy: if the disk refused.
        UnknownName: if the table has no stored rows.
    """
    version = lake.compact(name)
    record(catalog, lake, name)
    return version


def tidy(catalog: Catalog, lake: Lake, name: str) -> None:
    """Merge the smallest files of a table that rows are posted to, when they have become many.

    Every read opens every file. Only small files are merged, so that each row is written again
    a few times at most. What was posted is stored already, so a failure is only noted.
    """
    if not crowded(lake, name):
        return
    try:
        lake.compact(name, small_bytes=SMALL)
        record(catalog, lake, name)
    except HeptadError as error:
        _LOG.warning("small files of %s were not merged: %s", name, error)


def crowded(lake: Lake, name: str) -> bool:
    """Tell whether the smallest files of a table have become many."""
    files = lake.files(name, lake.stored(name))
    small = Counter(str(file.partition) for file in files if file.size < SMALL)
    return max(small.values(), default=0) >= MOST_SMALL


def record(catalog: Catalog, lake: Lake, name: str) -> None:
    """Record the last version of a table, if a kill came between its making and its recording.

    To be called when loads have been recovered: what is then beyond the catalog holds the same
    rows in other files or columns.
    """
    version = lake.version(name)
    known = catalog.versions.latest(name)
    if known is not None and known.version < version:
        catalog.versions.add(name, version, lake.files(name, version))
