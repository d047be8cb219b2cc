# SPDX-License-Identifier: Apache-2.0
"""Finishing or undoing the loads that a kill left unfinished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.engine.local.disk import digest, remove_durably
from heptad.standards.errors import UnknownName

if TYPE_CHECKING:
    from pathlib import Path

    from heptad.catalog.catalog import Catalog
    from heptad.catalog.loads import Load
    from heptad.engine.local.lake import Lake
    from heptad.ingest.quarantine import Quarantine


def recover(catalog: Catalog, lake: Lake, quarantine: Quarantine) -> list[Load]:
    """Bring every load of an earlier opening to its end; return them as they ended.

    The lake has been recovered before: what it says has landed has, what it does not has not.
    """
    ended = [settle(catalog, lake, load) for load in catalog.loads.unfinished()]
    for table in quarantine.tables():
        for path in quarantine.paths(table):
            if not _holds(catalog, path, table):
                remove_durably(path)
    for draft in quarantine.folder.glob("*/*.draft"):
        draft.unlink()
    quarantine.sweep()
    return ended


def _holds(catalog: Catalog, path: Path, table: str) -> bool:
    """Whether a quarantine file belongs to a load that counts, and was not tried again since."""
    try:
        load = catalog.loads.get(int(path.stem))
    except (UnknownName, ValueError):
        return True  # not ours to judge: the catalog may be older than the file
    return load.status == "committed" and catalog.loads.seen(digest(path), table) is None


def settle(catalog: Catalog, lake: Lake, load: Load) -> Load:
    """Commit a load that has landed, and fail one that has not."""
    if load.status == "staged":
        if not load.counts.accepted:
            return catalog.loads.committed(load.id, None)
        landed = lake.landed(load.table, load.id) if lake.exists(load.table) else None
        if landed is not None:
            return catalog.loads.committed(load.id, landed, lake.files(load.table, landed))
    return catalog.loads.failed(load.id, "The load was interrupted; nothing of it counts.")
