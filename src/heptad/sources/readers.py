# SPDX-License-Identifier: Apache-2.0
"""From a binding to its reader: which files or database it names, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heptad.sources.csvs import Csv
from heptad.sources.files import listed
from heptad.sources.https import SCHEME as HTTPS
from heptad.sources.https import fetched
from heptad.sources.jsonl import JsonLines
from heptad.sources.kafka import SCHEME as KAFKA
from heptad.sources.kafka import KafkaReading
from heptad.sources.mqtt import SCHEMES as MQTT
from heptad.sources.mqtt import MqttReading
from heptad.sources.packages import SCHEME, packaged
from heptad.sources.parquet import ParquetFiles
from heptad.sources.sql import SCHEMES, Query
from heptad.standards.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.sources.binding import Source
    from heptad.sources.config import Project
    from heptad.sources.reading import InputFile, Reading

_NEVER = ("http://", "ftp://")
BROKERS = (KAFKA, *MQTT)
"""What the URL of a broker of messages begins with."""
_PACKED = (".gz", ".gzip", ".zst", ".zstd")
_KINDS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip


def files_of(source: Source, project: Project) -> tuple[InputFile, ...]:
    """List the files that a source names; none for a database.

    Raises:
        InputError: if nothing is found, or the kind of source is not read.
        Refused: if a file lies outside the folders allowed.
        UnknownName: if a package is not installed.
    """
    if source.origin.startswith(_NEVER):
        raise InputError(
            "What can be changed on its way is no source.",
            got=source.origin.partition("://")[0] + "://",
            do="use https://, or fetch it into a file",
        )
    if source.origin.startswith(HTTPS):
        return fetched(source, project)
    if source.origin.startswith((*SCHEMES, *BROKERS)):
        return ()
    if source.origin.startswith(SCHEME):
        return packaged(source.origin)
    return listed(source.origin, project.folder, project.allow)


def reader(
    source: Source,
    project: Project,
    files: Sequence[InputFile],
    *,
    since: str | None = None,
    wanted: Sequence[str] = (),
) -> Reading:
    """Return what reads a source's rows.

    Args:
        source: the binding.
        project: the project.
        files: which of its files to read, from `files_of`.
        since: watermark of the last load of a database.
        wanted: columns that the map names, for files whose lines may leave some out.

    Raises:
        InputError: if a file or a database cannot be read.
    """
    if source.origin.startswith(SCHEMES):
        return Query(source, project.folder, project.allow, since)
    if source.origin.startswith(KAFKA):
        return KafkaReading(source, project.folder, since, wanted)
    if source.origin.startswith(MQTT):
        return MqttReading(source, project.folder, wanted)
    kinds = {kind_of(source, file) for file in files}
    if len(kinds) > 1:
        raise InputError(
            "A source reads files of one kind.",
            got=", ".join(sorted(kinds)),
            do="write one [[source]] for each kind",
            place=f"source {source.name}",
        )
    kind = kinds.pop() if kinds else "csv"
    if kind == "parquet":
        return ParquetFiles(files)
    return JsonLines(files, source.format, wanted) if kind == "jsonl" else Csv(files, source.format)


def kind_of(source: Source, file: InputFile) -> str:
    """Return csv, jsonl or parquet: as declared, or by the file's name."""
    if source.format.kind != "auto":
        return source.format.kind
    name = file.path.name.lower()
    for ending in _PACKED:
        name = name.removesuffix(ending)
    return next((kind for ending, kind in _KINDS.items() if name.endswith(ending)), "csv")
