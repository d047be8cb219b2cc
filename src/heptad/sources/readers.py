# SPDX-License-Identifier: Apache-2.0
"""From a binding to its reader: which files or database it names, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.sources.csvs import Csv
from heptad.sources.files import listed
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.sources.config import Project, Source
    from heptad.sources.reading import InputFile, Reading

_LATER = ("https://", "http://", "kafka://", "mqtt://")


def files_of(source: Source, project: Project) -> tuple[InputFile, ...]:
    """List the files that a source names; none for a database.

    Raises:
        InputError: if nothing is found, or the kind of source is not read by this version.
        Refused: if a file lies outside the folders allowed.
    """
    if source.origin.startswith(_LATER):
        raise InputError(
            "This version reads no source of that kind.",
            got=source.origin.partition("://")[0],
            do="fetch it into a file, or post its rows to /v1/tables/{table}/rows",
        )
    return listed(source.origin, project.folder, project.allow)


def reader(source: Source, project: Project, files: Sequence[InputFile]) -> Reading:
    """Return what reads a source's rows.

    Args:
        source: the binding.
        project: the project.
        files: which of its files to read, from `files_of`.
    """
    return Csv(files, source.format)
