# SPDX-License-Identifier: Apache-2.0
"""What the world outside saw of a piece of work, written where no fault reaches it."""

from __future__ import annotations

import ctypes
import json
import os
from pathlib import Path
from typing import Any

ACKS = [""]
"""File of what the client was told, in which receivers keep their own records too."""


def saw(what: Any) -> None:
    """Keep what somebody outside was given."""
    line = json.dumps({"outside": what}).encode()
    with Path(ACKS[0]).open("ab") as file:
        file.write(line + b"\n")
    library = ctypes.CDLL(None)
    if hasattr(library, "fault_note") and os.environ.get("LD_PRELOAD"):
        library.fault_note(line)


def seen() -> list[Any]:
    """Return what they were given, in order."""
    path = Path(ACKS[0])
    lines = path.read_text().splitlines() if path.exists() else []
    return [one["outside"] for one in map(json.loads, lines) if "outside" in one]
