# SPDX-License-Identifier: Apache-2.0
"""Locks, asked without waiting for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Lock, RLock


def is_free(lock: Lock | RLock) -> bool:
    """Whether a thread that takes the lock now need not wait for another one."""
    if not lock.acquire(blocking=False):
        return False
    lock.release()
    return True
