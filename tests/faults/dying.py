# SPDX-License-Identifier: Apache-2.0
"""How often a file system that dies says of a sync in that instant that it has succeeded.

    python tests/faults/dying.py ext4|xfs TRIES [ask]

A loop of write and fdatasync, nothing else, while the file system shuts down at a random instant;
with `ask`, one byte is read after each sync. Needs root.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

from injector import MEGABYTES, Disk, quick

SIZE, MOST, WITHIN_S = 4200, 5000, 0.002


def tried(disk: Disk, moment: float, *, ask: bool) -> bool:
    """Write until the file system is dead; whether all that it called safe is there afterwards."""
    safe = 0
    disk.wipe()
    with disk.mounted() as mount:
        log = os.open(mount / "log", os.O_RDWR | os.O_CREAT, 0o600)
        disk.settle()
        power = threading.Thread(target=lambda: (time.sleep(moment), disk.cut()))
        power.start()
        try:
            while safe < MOST:
                os.write(log, b"%07d" % safe * (SIZE // 7))
                os.fdatasync(log)
                if ask:
                    os.pread(log, 1, 0)
                safe += 1
        except OSError:
            pass
        power.join()
        os.close(log)
    with disk.mounted() as mount:
        data = (mount / "log").read_bytes()
    return data[: safe * SIZE] == b"".join(b"%07d" % n * (SIZE // 7) for n in range(safe))


def main(kind: str, tries: int, *, ask: bool) -> None:
    """Print how often something that was called safe is gone."""
    drawn = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="heptad-faults-", dir=quick()) as folder:
        disk = Disk(Path(folder, kind), MEGABYTES[kind], kind)
        kept = sum(tried(disk, drawn.uniform(0, WITHIN_S), ask=ask) for _ in range(tries))
    print(f"{kind}: {tries - kept} of {tries} lost what a sync had called safe")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), ask="ask" in sys.argv[3:])
