# SPDX-License-Identifier: Apache-2.0
"""The command that makes backups, beside whatever else the owner of the project does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.runtime import Platform

_PATIENCE_S = 30.0


def backup(
    platform: Platform,
    target: str,
    incremental: bool = False,
    link: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Add a backup of the project to a folder of backups.

    Args:
        platform: the open project.
        target: absolute path of the folder.
        incremental: add to the backups that are there.
        link: share blocks of data files where both lie on one disk.
        progress: told (what, share done).
    """
    from heptad.catalog.backup import back_up

    # Retention removes files; nothing else does, so everything else may go on.
    if not platform.upkeep.acquire(timeout=_PATIENCE_S):
        raise Busy("Another backup or retention is running.", do="run it again when it is done")
    try:
        now = platform.clock.now()
        platform.settle()
        return back_up(
            platform.path,
            Path(target),
            now=now,
            incremental=incremental,
            link=link,
            progress=progress,
        )
    finally:
        platform.upkeep.release()
