# SPDX-License-Identifier: Apache-2.0
"""Runs a piece of work again and again, with another storage call failing each time."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

HERE = Path(__file__).parent


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
        limit_s: float = 30,
    ) -> Outcome:
        """Run `module:function` with the `nth` storage call under `folder` failing."""
        job = {
            "work": work,
            "arguments": [str(a) if isinstance(a, Path) else a for a in arguments],
            "folder": str(folder),
            "nth": nth,
            "mode": mode,
            "mount": str(mount or ""),
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
        self._process.wait(timeout=10)
        self._answers.close()


def acknowledged(acks: Path) -> dict[int, int]:
    """What a job told of: for each number acknowledged, what it was told."""
    lines = acks.read_text().splitlines() if acks.exists() else []
    return {int(a[1]): int(a[2]) for a in map(str.split, lines) if a[0] == "A"}


def sampled(total: int, most: int) -> list[int]:
    """At most `most` of the numbers 1 … total, spread evenly."""
    if total <= most:
        return list(range(1, total + 1))
    return sorted({1 + round(i * (total - 1) / (most - 1)) for i in range(most)})


class Disk:
    """A file system in a file, of which the power can fail."""

    def __init__(self, folder: Path, megabytes: int = 16) -> None:
        self.image, self.mount = folder / "disk.img", folder / "disk"
        self.mount.mkdir()
        with self.image.open("wb") as file:
            file.truncate(megabytes << 20)
        self._run("mkfs.ext4", "-q", "-F", str(self.image))
        self._fresh = self.image.with_suffix(".fresh")
        shutil.copyfile(self.image, self._fresh)

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Mount what the disk holds."""
        self._run("mount", "-o", "loop", str(self.image), str(self.mount))
        try:
            yield self.mount
        finally:
            self._run("umount", str(self.mount))

    def wipe(self) -> None:
        """Forget everything on the disk."""
        shutil.copyfile(self._fresh, self.image)

    def cut(self) -> None:
        """Let the power fail now."""
        descriptor = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, 0x8004587D, struct.pack("I", 2))
        finally:
            os.close(descriptor)

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)


def why_no_compiler() -> str:
    """Why faults cannot be injected here, or ''."""
    return "" if shutil.which("gcc") else "FAULTS NOT TESTED: gcc is not installed"


def why_no_power(folder: Path) -> str:
    """Why a power loss cannot be tried here, or ''."""
    if os.geteuid():
        return "POWER LOSS NOT TESTED: needs root"
    try:
        disk = Disk(folder)
        with disk.mounted() as mount:
            (mount / "written").write_text("x")
            disk.cut()
        with disk.mounted() as mount:
            if (mount / "written").exists():
                return "POWER LOSS NOT TESTED: the file system kept what was not synced"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"POWER LOSS NOT TESTED: no loop mounts here ({error})"
    return ""
