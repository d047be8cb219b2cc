# SPDX-License-Identifier: Apache-2.0
"""Run what README.md and the how-to pages tell a reader to type: `python -m tests.readme [FILE …]`.

Each document gets a temporary folder, and its blocks run there in order: ```python in one
namespace, ```console command by command (the lines that begin with `$`; the others are output and
are not compared). A block with a file's name after its language, as ```csv payments.csv, is
written to that file. A command that ends in `# exit 9` must exit so.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(\w+)[ ]*([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"#\s*exit (\d+)\s*$")
LIMIT_S = 300


def main(names: list[str]) -> int:
    """Run the documents named, all by default; return the exit code."""
    files = [ROOT / n for n in names] or [
        ROOT / "README.md",
        *sorted((ROOT / "docs" / "how-to").glob("*.md")),
    ]
    passed = failed = 0
    for file in files:
        for place, problem in run(file):
            passed, failed = passed + (not problem), failed + bool(problem)
            print(f"{'FAIL' if problem else 'ok  '} {place}", flush=True)
            if problem:
                print("     " + problem.strip().replace("\n", "\n     "), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def run(file: Path) -> list[tuple[str, str]]:
    """Run the blocks of one document; return (place, problem) for each, '' where there is none."""
    text = file.read_text(encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "readme"}
    found = []
    with tempfile.TemporaryDirectory(prefix="heptad-readme-") as folder, contextlib.chdir(folder):
        for block in BLOCK.finditer(text):
            language, name, body = block.groups()
            line = text.count("\n", 0, block.start()) + 1
            place = f"{file.relative_to(ROOT)}:{line} {name or language}"
            if name:
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(body, encoding="utf-8")
            elif language == "python":
                found.append((place, run_python(body, place, namespace)))
            elif language == "console":
                found.append((place, run_console(body)))
    return found


def run_python(body: str, place: str, namespace: dict[str, Any]) -> str:
    """Run one block; return the traceback if it fails."""
    try:
        with contextlib.redirect_stdout(None):
            exec(compile(body, place, "exec", dont_inherit=True), namespace)
    except Exception:
        return traceback.format_exc(limit=-3)
    return ""


def run_console(body: str) -> str:
    """Run the commands of one block until one does not exit as said; return what went wrong."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "NO_COLOR": "1"}
    for line in body.splitlines():
        if not line.startswith("$ "):
            continue
        told = EXIT.search(line)
        wanted = int(told[1]) if told else 0
        done = subprocess.run(
            ["bash", "-c", line[2:]], env=environment, capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL, timeout=LIMIT_S,
        )  # fmt: skip
        if done.returncode != wanted:
            said = done.stdout[-2000:] + done.stderr[-2000:]
            return f"{line}\nexit {done.returncode}, not {wanted}\n{said}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
