# SPDX-License-Identifier: Apache-2.0
"""Long trainings of a benchmark, each kept as it ends: `python -m benchmarks.fits recommend --list`.

A row asks for the fits that it needs and does those that are not there; `python -m benchmarks.fits
AREA NAME …` does some of them alone, so that many processes, or machines, share the work. A fit
lies in its own file with the hash of the code and data that made it: another's is not taken up. What a
training keeps between its epochs lies beside it until it is done. Times that are compared are measured
in one fit: those of two are of two machines, or of one at two times.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import fnmatch
import hashlib
import json
import os
import platform
import sys
import time
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Work = Callable[[Path], dict[str, Any]]
    """Does a fit, given the file that it may resume from, and answers plain data."""


LEARNING = ("benchmarks.recommend", "heptad.analysis")
"""What makes a fit that is judged by what it learned."""
RUNNING = (*LEARNING, "benchmarks.load", "heptad.")
"""What makes a fit that is judged by how long it takes."""


def found_data(path: str) -> Path | None:
    """Return where a data set lies under `HEPTAD_DATA`, or say that it is absent."""
    found = Path(os.environ.get("HEPTAD_DATA") or "absent") / path
    if found.exists():
        return found
    print(f"not run: {path} is absent; set HEPTAD_DATA", file=sys.stderr, flush=True)
    return None


def folder() -> Path:
    """Where fits are kept: `HEPTAD_FITS`, or beside the benchmarks, out of the repository."""
    return Path(os.environ.get("HEPTAD_FITS") or ROOT / "benchmarks" / "data" / "fits")


def torch_threads() -> None:
    """Train on one core: many fits share a machine."""
    import torch

    torch.set_num_threads(1)


@cache
def code_of(module: str, *data: Path, within: tuple[str, ...] = LEARNING) -> str:
    """Return the hash of a module, of what it imports, and of data.

    Code counts as it was parsed: a comment, a docstring or a line broken otherwise changes nothing.

    Args:
        module: its name.
        data: files, whose bytes count.
        within: what the names of imported modules begin with; others do not count.
    """
    sha = hashlib.sha256()
    for path in sorted(_imported(module, within)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        sha.update(f"{path.relative_to(ROOT)}\n{_said(tree)}\n".encode())
    for file in data:
        sha.update(file.read_bytes() if file.exists() else b"absent")
    return sha.hexdigest()[:16]


def _said(node: Any) -> str:
    """Write parsed code down without its texts that are no values, alike in every version of Python."""
    if isinstance(node, list):
        return f"[{','.join(_said(n) for n in node if not _is_text(n))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [f"{k}={_said(v)}" for k, v in ast.iter_fields(node) if v is not None and v != []]
    return f"{type(node).__name__}({','.join(fields)})"


def _is_text(node: Any) -> bool:
    """Whether this is a docstring, or a text under an attribute that explains it."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imported(module: str, within: tuple[str, ...]) -> set[Path]:
    """The files of a module and of what it imports, at its head or within functions."""
    found: set[Path] = set()
    left = [module]
    while left:
        name = left.pop()
        path = ROOT / ("" if name.startswith("benchmarks.") else "src") / name.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path in found or not path.exists():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            left += [n for n in _names(node) if n.startswith(within)]
    return found


def _names(node: ast.AST) -> list[str]:
    """The modules, and what may be modules, that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


class Fits:
    """The fits of one row.

    Args:
        row: its name.
        work: name of a fit → what does it.
        module: the one that they come from.
        data: paths under `HEPTAD_DATA`, or whole, that they read.
        quick: whether they are of the small size.
        within: see `code_of`.
    """

    def __init__(
        self, row: str, work: Mapping[str, Work], module: str, *data: str | Path, quick: bool,
        within: tuple[str, ...] = LEARNING,
    ) -> None:  # fmt: skip
        self.row, self.work = row, work
        home = Path(os.environ.get("HEPTAD_DATA") or "absent")
        self.code = code_of(module, *(home / path for path in data), within=within)
        self.folder = folder() / f"{row}{'-quick' if quick else ''}"

    def kept(self, name: str) -> dict[str, Any] | None:
        """Return what a fit answered; None if it was not done by this code."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            return None
        held = json.loads(path.read_text(encoding="utf-8"))
        return held["answer"] if held["code"] == self.code else None

    def get(self, name: str) -> dict[str, Any]:
        """Return what a fit answers, doing it if it was not done before."""
        answer = self.kept(name)
        if answer is not None:
            return answer
        print(f"  {self.row}/{name} …", file=sys.stderr, flush=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        begun = time.perf_counter()
        course = self.folder / f"{name}-{self.code}.npz"
        answer = self.work[name](course)
        answer |= {"wall_s": time.perf_counter() - begun, "machine": machine()}
        new = self.folder / f".{name}.{os.getpid()}"
        new.write_text(json.dumps({"code": self.code, "answer": answer}) + "\n", encoding="utf-8")
        new.replace(self.folder / f"{name}.json")
        course.unlink(missing_ok=True)
        return answer


def machine() -> dict[str, str]:
    """What a fit was made on: the platform and the versions of what computed it."""
    found = {"python": platform.python_version(), "cpu": platform.machine()}
    for name in ("numpy", "scipy", "numba", "torch", "lightgbm"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def main() -> int:
    """List fits, or do those that match."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fits", description=__doc__)
    parser.add_argument("area")
    parser.add_argument("names", nargs="*", default=["*"], help="ROW/FIT, with * and ?")
    parser.add_argument("--list", action="store_true", help="name them, and which are done")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_intermixed_args()
    rows = import_module(f"benchmarks.{given.area}").fits(quick=given.quick, seed=given.seed)
    found = False
    for row in rows:
        for name in row.work:
            if not any(fnmatch.fnmatch(f"{row.row}/{name}", wanted) for wanted in given.names):
                continue
            found = True
            if given.list:
                print(f"{row.row}/{name}{'' if row.kept(name) is None else '  done'}")
            else:
                row.get(name)
    return 0 if found else 2


if __name__ == "__main__":
    sys.exit(main())
