# SPDX-License-Identifier: Apache-2.0
"""Runs a piece of work again and again, with another storage call failing each time."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

HERE = Path(__file__).parent
MEGABYTES = {"ext4": 64, "xfs": 320}
"""Size of a disk."""


@dataclass(frozen=True)
class Outcome:
    """How a job ended: "done", "killed", "hung", or a traceback; and its storage calls."""

    status: str
    calls: int


class Injector:
    """Compiles fault.c and starts a nursery under it.

    Args:
        folder: for the compiled library.
        modules: what the jobs import, found beside this file or installed.
    """

    def __init__(self, folder: Path, modules: Sequence[str]) -> None:
        library = folder / "fault.so"
        subprocess.run(
            ["gcc", "-O1", "-shared", "-fPIC", "-o", library, HERE / "fault.c", "-ldl"], check=True
        )
        self._process = subprocess.Popen(
            [sys.executable, HERE / "nursery.py", HERE, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"LD_PRELOAD": str(library), "TZ": "UTC"},
        )
        assert self._process.stdout
        assert self._process.stdin
        self._answers, self._jobs = self._process.stdout, self._process.stdin
        assert self._answers.readline() == "ready\n"

    def run(
        self,
        work: str,
        arguments: Sequence[object],
        folder: Path,
        nth: int = 0,
        mode: str = "",
        mount: Path | None = None,
        record: Path | None = None,
        limit_s: float = 30,
    ) -> Outcome:
        """Run `module:function` with the `nth` storage call under `folder` failing.

        Args:
            work: what to run.
            arguments: for it.
            folder: whose calls count.
            nth: which of them meets the fault; 0 is none.
            mode: the fault, as fault.c names it.
            mount: the file system of which the power fails, in mode "power".
            record: where the calls that were made are written down.
            limit_s: after so long it is killed.
        """
        job = {
            "work": work,
            "arguments": [str(a) if isinstance(a, Path) else a for a in arguments],
            "folder": str(folder),
            "nth": nth,
            "mode": mode,
            "mount": str(mount or ""),
            "record": str(record or ""),
            "limit_s": limit_s,
        }
        self._jobs.write(json.dumps(job) + "\n")
        self._jobs.flush()
        return Outcome(**json.loads(self._answers.readline()))

    def __enter__(self) -> Injector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._jobs.close()
        self._process.wait(timeout=60)
        self._answers.close()


def acknowledged(acks: Path) -> dict[int, int]:
    """What a job told of: for each number acknowledged, what it was told."""
    lines = acks.read_text().splitlines() if acks.exists() else []
    return {int(a[1]): int(a[2]) for a in map(str.split, lines) if a[0] == "A"}


def quick() -> Path:
    """A folder for what is written again and again: in memory, where there is one."""
    memory = Path("/dev/shm")
    return memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def sampled(total: int, most: int) -> list[int]:
    """At most `most` of the numbers 1 … total, spread evenly."""
    if total <= most:
        return list(range(1, total + 1))
    if most == 1:
        return [(total + 1) // 2]
    return sorted({1 + round(i * (total - 1) / (most - 1)) for i in range(most)})


class Disk:
    """A file system in a file, of which the power can fail.

    Args:
        folder: for the image and the mount; quick storage is best.
        megabytes: size; xfs needs 300 at least.
        kind: "ext4" or "xfs".
    """

    def __init__(self, folder: Path, megabytes: int = 16, kind: str = "ext4") -> None:
        self.kind = kind
        self.image, self.mount = folder / "disk.img", folder / "disk"
        self.mount.mkdir(parents=True)
        with self.image.open("wb") as file:
            file.truncate(megabytes << 20)
        self._run(f"mkfs.{kind}", "-q", *(["-F"] if kind == "ext4" else ["-f"]), str(self.image))
        self._fresh = self.image.with_suffix(".fresh")
        self._copy(self.image, self._fresh)

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Mount what the disk holds."""
        self._run("mount", "-o", "loop", str(self.image), str(self.mount))
        try:
            yield self.mount
        finally:
            self._unmount()

    def wipe(self) -> None:
        """Forget everything on the disk."""
        self._copy(self._fresh, self.image)

    def settle(self) -> None:
        """Bring all that was written to the disk."""
        descriptor = os.open(self.mount, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
                raise OSError(ctypes.get_errno(), "syncfs")
        finally:
            os.close(descriptor)

    def cut(self) -> None:
        """Let the power fail now."""
        descriptor = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, 0x8004587D, struct.pack("I", 2))
        finally:
            os.close(descriptor)

    def _unmount(self) -> None:
        # What a killed process had open is let go a little later than it dies.
        for _ in range(50):
            ended = subprocess.run(["umount", self.mount], capture_output=True, check=False)
            if not ended.returncode:
                return
            time.sleep(0.1)
        ended.check_returncode()

    def _copy(self, image: Path, to: Path) -> None:
        self._run("cp", "--sparse=always", str(image), str(to))

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)


def why_no_compiler() -> str:
    """Why faults cannot be injected here, or ''."""
    return "" if shutil.which("gcc") else "FAULTS NOT TESTED: install gcc, or run scripts/system"


def why_no_power(folder: Path, kind: str = "ext4") -> str:
    """Why a power loss cannot be tried here, or ''."""
    if os.geteuid():
        return "POWER LOSS NOT TESTED: run the tests as root, who may mount a disk image"
    if not shutil.which(f"mkfs.{kind}", path=f"{os.environ['PATH']}:/sbin:/usr/sbin"):
        return f"POWER LOSS NOT TESTED: mkfs.{kind} is not installed; run scripts/system"
    try:
        disk = Disk(folder, MEGABYTES[kind], kind)
        with disk.mounted() as mount:
            (mount / "written").write_text("x")
            disk.cut()
        with disk.mounted() as mount:
            if (mount / "written").exists():
                return "POWER LOSS NOT TESTED: the file system kept what was not synced"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"POWER LOSS NOT TESTED: no loop mounts here ({error})"
    return ""
