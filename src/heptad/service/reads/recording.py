# SPDX-License-Identifier: Apache-2.0
"""Where the access log is kept: a ledger over segments of its own, beside the decision log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.engine.local.segments import Segments
from heptad.security.access import FLOOR, AccessLog
from heptad.security.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from heptad.catalog.settings import Settings
    from heptad.security.keys import KeyStore
    from heptad.standards.time import Clock

SUFFIX = "/access"
"""What tells the access log's name from that of the decision log, which the same key signs."""


class AccessStorage:
    """The segments under the access log; opened again, they settle what a failure left.

    Args:
        folder: of the segments.
        keys: hold the key that signs.
        origin: name of the log.
        settings: keep how many records there are.
    """

    def __init__(self, folder: Path, keys: KeyStore, origin: str, settings: Settings) -> None:
        self._folder, self._keys, self._origin, self._settings = folder, keys, origin, settings
        self._segments: Segments | None = None

    def open(self) -> Ledger:
        """Open the ledger, or open it again.

        Raises:
            Busy: if the disk refuses.
            Corrupt: if the log is damaged or records are missing.
        """
        self.close()
        self._segments = Segments(self._folder)
        floor = int(self._settings.get(FLOOR, 0))
        return Ledger(self._segments, self._keys.signing_key(), self._origin, floor=floor)

    def close(self) -> None:
        """Let the segments go."""
        if self._segments is not None:
            self._segments.close()
            self._segments = None


def open_access_log(
    folder: Path, keys: KeyStore, origin: str, settings: Settings, clock: Clock
) -> AccessLog:
    """Open the access log of a project.

    Args:
        folder: where its segments lie.
        keys: hold its peppers and the key that signs it.
        origin: name of the project's decision log.
        settings: keep how many records there are.
        clock: tells when reads are made.
    """
    storage = AccessStorage(folder, keys, origin + SUFFIX, settings)
    return AccessLog(storage, keys, clock, keep=lambda n: settings.raise_to(FLOOR, n))
