# SPDX-License-Identifier: Apache-2.0
"""Writes to the row store in which any storage call may be the last."""

from __future__ import annotations

import os
from pathlib import Path

from heptad.engine.local.rows import Rows
from heptad.engine.protocols import Family
from heptad.standards.errors import HeptadError

ROWS = 12


def warm() -> None:
    """Everything is imported already."""


def write(folder: str, acknowledged: str) -> None:
    """Put rows one by one; tell which are durable; flush half-way."""
    acks = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        with Rows(Path(folder)) as rows:
            rows.create("t", {"f": Family()})
            for n in range(ROWS):
                rows.put("t", b"%04d" % n, {b"f:a": b"x" * 300, b"f:b": b"%d" % n})
                os.write(acks, f"A {n} {n}\n".encode())
                if n == ROWS // 2:
                    rows._store.flush()
    except HeptadError as refusal:
        os.write(acks, f"E 0 {refusal.code}\n".encode())
    except Exception as error:
        os.write(acks, f"O 0 {type(error).__name__}\n".encode())
