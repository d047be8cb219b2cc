# SPDX-License-Identifier: Apache-2.0
"""Which process runs something, written so that its death can be told later."""

from __future__ import annotations

import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def identity(epoch: str) -> str:
    """Name this process and one opening of the catalog: boot, pid, start of the process, epoch."""
    return f"{_boot()}/{os.getpid()}/{_started(os.getpid())}/{epoch}"


def alive(owner: str, me: str) -> bool:
    """Say whether the process of an identity still runs.

    A pid alone would not do: after a restart of the machine, or when the pid is given out again,
    it is another process. In this process, only its present opening of the catalog lives.

    Args:
        owner: the identity asked about.
        me: the identity of the asker.
    """
    boot, pid, started, _ = owner.split("/")
    my_boot, my_pid, my_start, _ = me.split("/")
    if (boot, pid, started) == (my_boot, my_pid, my_start):
        return owner == me
    return boot == my_boot and _runs(int(pid)) and _started(int(pid)) == started


def _boot() -> str:
    """Return what tells one start of the machine from the next; "" where it cannot be told."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a process started, in clock ticks since the boot; "" where it cannot be told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The second field, in brackets, is the program's name and may hold anything.
    return stat.rpartition(")")[2].split()[19]


def _runs(pid: int) -> bool:
    """Say whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
