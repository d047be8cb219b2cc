# SPDX-License-Identifier: Apache-2.0
"""Flink's own Python environment, made on demand: its pins do not go with ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Callable

RELEASE = "2.3.0"
PLACE = "HEPTAD_FLINK"
"""Environment variable: the folder of the environment; one in the user's cache by default."""
_MARK = "heptad-flink.json"


@dataclass(frozen=True)
class Environment:
    """Where Flink lies.

    Attributes:
        folder: of the environment.
    """

    folder: Path

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    @property
    def home(self) -> Path:
        """Flink's own folder, with its scripts."""
        lib = self.folder / "lib"
        return next(lib.glob("python3.*/site-packages/pyflink"), lib / "pyflink")

    @property
    def release(self) -> str:
        """The release that was installed whole, or ''."""
        try:
            found: dict[str, Any] = json.loads((self.folder / _MARK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ""
        return str(found.get("release", "")) if (self.home / "bin").is_dir() else ""


def place() -> Path:
    """Return the folder of the environment, which may not exist yet."""
    told = os.environ.get(PLACE)
    if told:
        return Path(told).resolve()
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "heptad" / f"flink-{RELEASE}"


def find() -> Environment:
    """Return the environment.

    Raises:
        Busy: if it was not installed whole, or there is no Java.
    """
    found = Environment(place())
    if found.release != RELEASE:
        raise Busy(
            "Flink is not installed.",
            got=found.release or f"nothing whole in {found.folder}",
            do="heptad engine install flink",
        )
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=f"{home}/bin" if home else None) is None:
        raise Busy("Flink needs Java 17.", do="apt-get install openjdk-17-jre-headless")
    return found


def install(told: Callable[[str, float], None] = lambda *_: None) -> Environment:
    """Make the environment, or go on where it was broken off; one that is whole stays.

    Raises:
        Busy: if pip could not install it.
    """
    made = Environment(place())
    if made.release == RELEASE:
        return made
    if not made.python.exists():
        told("making the environment", 0.0)
        venv.create(made.folder, with_pip=True, clear=False)
    told(f"installing apache-flink {RELEASE}, about 850 MB", 0.1)
    # What pip has fetched or installed already it does not fetch again.
    asked = [str(made.python), "-m", "pip", "install", "-q", f"apache-flink=={RELEASE}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - own venv
    if done.returncode:
        raise Busy(
            "pip could not install Flink.",
            got=done.stderr.strip()[-300:],
            do=f"needs Python 3.9 to 3.12, this is {sys.version.split()[0]}; run it again to go on",
        )
    (made.folder / _MARK).write_text(json.dumps({"release": RELEASE}), encoding="utf-8")
    told("installed", 1.0)
    return find()
