# SPDX-License-Identifier: Apache-2.0
"""Compaction: small files of a table merged into a version that the catalog records too."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heptad.catalog.catalog import Catalog
    from heptad.engine.local.lake import Lake


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


def record(catalog: Catalog, lake: Lake, name: str) -> None:
    """Record the last version of a table, if a kill came between its making and its recording.

    To be called when loads have been recovered: what is then beyond the catalog holds the same
    rows in other files or columns.
    """
    version = lake.version(name)
    known = catalog.versions.latest(name)
    if known is not None and known.version < version:
        catalog.versions.add(name, version, lake.files(name, version))
