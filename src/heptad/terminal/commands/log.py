# SPDX-License-Identifier: Apache-2.0
"""Commands about the decision log: its size and head, its proof, its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import InputError
from heptad.standards.time import as_of

if TYPE_CHECKING:
    from heptad.runtime import Platform


def show_log(platform: Platform, t: str = "") -> dict[str, Any]:
    """Say how long the log is and what its signed head is; `counts` as of an instant, ISO 8601.

    Its entries are numbered and hold no time of their own but that of what they decide on.
    """
    head = platform.log.ledger.head()
    return {
        "entries": head.size,
        "root": head.root.hex(),
        "counts": platform.catalog.decisions.counts(at=as_of(t)),
        "folder": str(platform.path / "log"),
    }


def verify_log(platform: Platform, against: str = "") -> dict[str, Any]:
    """Read every byte of the log and check it, also against a checkpoint kept elsewhere."""
    note = None
    if against:
        try:
            note = Path(against).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                "The checkpoint cannot be read.", got=str(error), do="give the file it was kept in"
            ) from error
    found = platform.log.ledger.verify(note)
    return {
        "entries": found.entries,
        "root": found.root.hex(),
        "heads": found.heads,
        "against": against or None,
        "verified": True,
    }


def checkpoint(platform: Platform) -> dict[str, Any]:
    """Return the signed head, to be kept where nobody can change both."""
    return {"note": platform.log.ledger.checkpoint(), "entries": len(platform.log)}
