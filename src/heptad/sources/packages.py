# SPDX-License-Identifier: Apache-2.0
"""Data files of installed distributions, found without importing any of their code."""

from __future__ import annotations

from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from heptad.sources.files import input_file
from heptad.standards.errors import InputError, Refused, UnknownName, suggest

if TYPE_CHECKING:
    from heptad.sources.reading import InputFile

SCHEME = "package:"


def packaged(origin: str) -> tuple[InputFile, ...]:
    """Find the files of `package:distribution/path`; the path may be a glob.

    The path is that of the installed file, or what follows the distribution's name in it.

    Raises:
        UnknownName: if the distribution is not installed, or has no such file.
        InputError: if no path is given.
        Refused: if the file is a link to somewhere else.
    """
    name, _, rest = origin.removeprefix(SCHEME).partition("/")
    if not name or not rest:
        raise InputError(
            "A packaged data set names a distribution and a file.",
            got=origin,
            do="write for example package:lifetimes/datasets/CDNOW_master.txt",
        )
    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError:
        raise UnknownName(
            f"The package {name} is not installed.", got=origin, do=f"run `pip install {name}`"
        ) from None
    wanted = (rest, f"{name}/{rest}", f"{name.replace('-', '_')}/{rest}")
    found = [file for file in files if any(fnmatch(str(file), pattern) for pattern in wanted)]
    if not found:
        names = [str(file) for file in files if not str(file).endswith((".py", ".pyc"))]
        raise UnknownName(
            f"The package {name} has no such file.", got=rest, do=suggest(f"{name}/{rest}", names)
        )
    return tuple(_checked(Path(str(file.locate())), origin) for file in sorted(found))


def _checked(path: Path, origin: str) -> InputFile:
    if path.is_symlink():
        raise Refused("A packaged file is a link.", got=str(path), do="use a regular file")
    prefix = origin.partition("/")[0]
    return input_file(path.resolve(), f"{prefix}/{path.name}")
