# SPDX-License-Identifier: Apache-2.0
"""Refused rows: kept with reason, source, file, line and raw text until resolved or dropped."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heptad.ingest.masking import masked
from heptad.ingest.reasons import explain
from heptad.security.envelope import RESTORE
from heptad.standards.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from heptad.security.keys import KeyStore

_SCHEMA = pa.schema(
    [
        ("reason", pa.string()),
        ("field", pa.string()),
        ("sentence", pa.string()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("raw", pa.binary()),
    ]
)
_ABOUT = b"heptad"
_NONCE = 12
_STEM = "quarantine|"
_ROW_GROUP = 50_000
_BYTES = 2 << 20
"""A row may be long: so many bytes of them are written at once, too."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of a quarantine file come from.

    Attributes:
        table: name of the table.
        source: name of the source.
        load: number of the load that refused them.
        known: how that load set known_time.
        columns: the source's columns.
        personal: those of them whose values say who a person is.
        sealed: whether the raw text says who a person is, so that it is masked when it is shown.
        key: name of the load's key, which the raw text is sealed under and which is destroyed
            with the file; "" in files of release 0.1.0, which were sealed under a pepper.
    """

    table: str
    source: str
    load: int
    known: str
    columns: tuple[str, ...]
    personal: tuple[str, ...] = ()
    sealed: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused row.

    Attributes:
        load: number of the load.
        reason: code, see `REASONS`.
        field: the field concerned; "" if none.
        sentence: why it was refused.
        source: name of the source.
        file: file it came from; "" for a database or a request.
        line: record number there.
        raw: the row as JSON, or the text of a record that could not be read; None if not kept.
    """

    load: int
    reason: str
    field: str
    sentence: str
    source: str
    file: str
    line: int
    raw: str | None


class Refusals:
    """Writes one quarantine file; nothing is left behind if no row is added.

    Args:
        path: of the file.
        origin: where the rows come from; load 0 is a plan, whose file is thrown away.
        keys: makes the load's key when there is something to seal.
    """

    def __init__(self, path: Path, origin: Origin, keys: KeyStore) -> None:
        self.path, self.origin = path, origin
        self.counts: Counter[str] = Counter()
        self._keys = keys
        self._cipher: AESGCM | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._writer: pq.ParquetWriter | None = None
        self._draft = path.with_suffix(".draft")

    def add(
        self, reasons: pa.StringArray, files: pa.StringArray, lines: pa.Int64Array, raws: pa.Array
    ) -> None:
        """Take refused rows.

        Args:
            reasons: (n,) `code|field`, or `code`.
            files: (n,) names of the files that they come from.
            lines: (n,) record numbers.
            raws: (n,) raw text.
        """
        named = reasons.dictionary_encode()
        parts = [reason.partition("|") for reason in named.dictionary.to_pylist()]
        said = [
            explain(code, f"{self.origin.table}.{field}" if field else "")
            for code, _, field in parts
        ]
        columns = [[code for code, _, _ in parts], [field for _, _, field in parts], said]
        told = [pa.array(column, pa.string()).take(named.indices) for column in columns]
        source = pa.array([self.origin.source]).take(pa.array([0] * len(reasons), pa.int8()))
        arrays = [*told, source, files, lines, self._sealed(raws)]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA))
        for counted in pc.value_counts(told[0]).to_pylist():
            self.counts[counted["values"]] += counted["counts"]
        rows, size = (sum(getattr(b, n) for b in self._waiting) for n in ("num_rows", "nbytes"))
        if rows >= _ROW_GROUP or size >= _BYTES:
            self._flush()

    def close(self) -> None:
        """Make the file durable."""
        self._flush()
        if self._writer is None:
            return
        self._writer.close()
        _sync(self._draft)
        self._draft.replace(self.path)
        _sync(self.path.parent)

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._writer is not None:
            self._writer.close()
        self._draft.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        if self.origin.key:
            self._keys.dispose([self.origin.key])

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            schema = _SCHEMA.with_metadata({_ABOUT: _described(self.origin)})
            self._writer = _writer(self._draft, schema)
        rows = pa.Table.from_batches(self._waiting)
        self._writer.write_table(rows.sort_by([("file", "ascending"), ("line", "ascending")]))
        self._waiting.clear()

    def _sealed(self, raws: pa.Array) -> pa.BinaryArray:
        if self._cipher is None:
            self._cipher = self._made()
        return _sealed(raws.cast(pa.binary()).to_pylist(), self._cipher)

    def _made(self) -> AESGCM:
        """Make the key of this load's refused rows, before anything is sealed under it."""
        if not self.origin.load:
            return AESGCM(os.urandom(32))
        self.origin = replace(self.origin, key=_named(self.origin, 1))
        return _cipher(self.origin, self._keys, create=True)


class Quarantine:
    """The quarantine of a project.

    Args:
        folder: `quarantine/` of the project.
        keys: opens raw text that is sealed.
    """

    def __init__(self, folder: Path, keys: KeyStore) -> None:
        self.folder, self._keys = folder, keys

    def path(self, table: str, load: int) -> Path:
        """Return where the refused rows of a load lie."""
        return self.folder / table / f"{load:08d}.parquet"

    def paths(self, table: str, load: int | None = None) -> list[Path]:
        """Return the quarantine files of a table, the oldest first."""
        if load is not None:
            path = self.path(table, load)
            return [path] if path.exists() else []
        return sorted((self.folder / table).glob("*.parquet"))

    def tables(self) -> list[str]:
        """Return the tables that have refused rows."""
        if not self.folder.is_dir():
            return []
        return sorted(p.name for p in self.folder.iterdir() if any(p.glob("*.parquet")))

    def counts(self, table: str) -> dict[tuple[int, str, str], int]:
        """Count the refused rows of a table by load, reason and field."""
        found: Counter[tuple[int, str, str]] = Counter()
        for path in self.paths(table):
            rows = pq.read_table(path, columns=["reason", "field"])
            load = int(path.stem)
            for group in (
                rows.group_by(["reason", "field"]).aggregate([([], "count_all")]).to_pylist()
            ):
                found[(load, group["reason"], group["field"])] = group["count_all"]
        return dict(sorted(found.items()))

    def show(
        self,
        table: str,
        *,
        load: int | None = None,
        reason: str | None = None,
        limit: int = 50,
        clear: bool = False,
    ) -> list[Refusal]:
        """Return refused rows.

        Args:
            table: name of the table.
            load: only of this load.
            reason: only for this reason.
            limit: most rows.
            clear: show what says who a person is; the caller has checked the purpose.
        """
        shown: list[Refusal] = []
        for path in self.paths(table, load):
            origin = about(path)
            for row in self._rows(path, origin):
                if reason in (None, row.reason):
                    shown.append(row if clear else _masked(row, origin))
                if len(shown) >= limit:
                    return shown
        return shown

    def drop(self, table: str, *, load: int | None = None, reason: str | None = None) -> int:
        """Remove refused rows for good, and the keys that they were sealed under.

        Returns:
            How many rows.
        """
        gone = 0
        for path in self.paths(table, load):
            gone += self.without(path, lambda row: reason in (None, row.reason))
        return gone

    def without(self, path: Path, gone: Callable[[Refusal], bool]) -> int:
        """Write a file anew without some of its rows, sealed under another key.

        The old key is destroyed last: until then the old file or the new one is there, whole. A
        copy of the old file does not open once the epoch of the keys has ended.

        Args:
            path: of the file.
            gone: tells which rows, in clear, are to go.

        Returns:
            How many rows went; if none, nothing was written.
        """
        origin, rows = self.raws(path)
        total = removed = 0
        for row in rows:
            total, removed = total + 1, removed + bool(gone(row))
        if not removed:
            return 0
        if removed < total:
            self._write(path, origin, (row for row in self.raws(path)[1] if not gone(row)))
        else:
            path.unlink()
        _sync(path.parent)
        if origin.key:
            self._keys.dispose([origin.key])
        return removed

    def forget(self, path: Path) -> int:
        """Remove a file that is damaged, and every key that it may have been sealed under."""
        stem = _named(Origin(path.parent.name, "", int(path.stem), "", ()), 0)
        path.unlink()
        _sync(path.parent)
        return max(1, self._keys.dispose(self._keys.disposables(stem)))

    def sweep(self) -> int:
        """Destroy the keys of loads whose refused rows are no longer there; return how many.

        To be called while no load runs: a load makes its key before its file.
        """
        names = set(self._keys.disposables(_STEM))
        for table in self.tables() if names else ():
            for path in self.paths(table):
                try:
                    names.discard(about(path).key)
                except Corrupt:
                    stem = _named(Origin(table, "", int(path.stem), "", ()), 0)
                    names = {name for name in names if not name.startswith(stem)}
        return self._keys.dispose(sorted(names)) if names else 0

    def _write(self, path: Path, origin: Origin, rows: Iterator[Refusal]) -> None:
        """Put a file with these rows, under a key of its own, in the place of the one before."""
        turn = int(origin.key.rpartition("|")[2]) if origin.key else 0
        origin = replace(origin, key=_named(origin, turn + 1))
        cipher = _cipher(origin, self._keys, create=True)
        schema = _SCHEMA.with_metadata({_ABOUT: _described(origin)})
        draft = path.with_suffix(".draft")
        with _writer(draft, schema) as writer:
            while part := list(islice(rows, _ROW_GROUP)):
                columns = {name: [getattr(row, name) for row in part] for name in _SCHEMA.names}
                raws = [None if raw is None else raw.encode() for raw in columns.pop("raw")]
                table = columns | {"raw": _sealed(raws, cipher)}
                writer.write_table(pa.table(table, schema=schema))
        _sync(draft)
        draft.replace(path)

    def raws(self, path: Path) -> tuple[Origin, Iterator[Refusal]]:
        """Return where the rows of a file come from, and the rows in clear, to try them again."""
        origin = about(path)
        return origin, self._rows(path, origin)

    def _rows(self, path: Path, origin: Origin) -> Iterator[Refusal]:
        cipher = _cipher(origin, self._keys) if origin.sealed or origin.key else None
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                groups = range(file.num_row_groups)  # of few rows where they are long
                for batch in (b for n in groups for b in file.iter_batches(10_000, [n])):
                    for row in batch.to_pylist():
                        row["raw"] = _opened(row["raw"], cipher, path)
                        yield Refusal(load=origin.load, **row)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _damaged(path) from error


def about(path: Path) -> Origin:
    """Read where the rows of a quarantine file come from.

    Raises:
        Corrupt: if it is no quarantine file.
    """
    try:
        kept = pq.read_schema(path).metadata or {}
        values = json.loads(kept[_ABOUT])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise _damaged(path) from error
    return Origin(**values | {n: tuple(values[n]) for n in ("columns", "personal")})


def _damaged(path: Path) -> Corrupt:
    return Corrupt(
        "A quarantine file is damaged.",
        got=path.name,
        do="restore it from a backup, or remove it and load its source again",
        place=str(path),
    )


def _described(origin: Origin) -> bytes:
    values = {name: getattr(origin, name) for name in Origin.__slots__}
    return json.dumps(values, ensure_ascii=False).encode()


def _cipher(origin: Origin, keys: KeyStore, *, create: bool = False) -> AESGCM:
    """Return the cipher of a load's refused rows.

    Raises:
        Corrupt: if the key was lost.
    """
    if not origin.key:
        return AESGCM(keys.pepper(f"quarantine|{origin.table}|{origin.load}"))
    key = keys.disposable(origin.key, create)
    if key is None:
        raise Corrupt(
            "The key of a load's quarantined rows is missing.",
            got=origin.key,
            do=f"{RESTORE}, or remove the rows of load "
            f"{origin.load} of {origin.table} and load their source again",
        )
    return AESGCM(key)


def _named(origin: Origin, turn: int) -> str:
    """Return the name of a file's key; each writing has one of its own, turn 0 is what all share."""
    stem = f"{_STEM}{origin.table}|{origin.load}|"
    return f"{stem}{turn}" if turn else stem


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a file of refused rows; what is sealed neither repeats nor packs."""
    return pq.ParquetWriter(
        path,
        schema,
        compression={name: "none" if name == "raw" else "zstd" for name in schema.names},
        use_dictionary=[name for name in schema.names if name not in {"line", "raw"}],
        write_page_checksum=True,
    )


def _sealed(texts: list[bytes | None], cipher: AESGCM) -> pa.BinaryArray:
    """Seal raw texts."""
    cells: list[bytes | None] = []
    for text in texts:
        nonce = os.urandom(_NONCE)
        cells.append(None if text is None else nonce + cipher.encrypt(nonce, text, _ABOUT))
    return pa.array(cells, pa.binary())


def _opened(raw: bytes | None, cipher: AESGCM | None, path: Path) -> str | None:
    if raw is None or cipher is None:
        return None if raw is None else raw.decode()
    try:
        return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _ABOUT).decode()
    except InvalidTag as error:
        raise Corrupt(
            "A quarantined row does not open with its key.",
            do=RESTORE,
            place=str(path),
        ) from error


def _masked(row: Refusal, origin: Origin) -> Refusal:
    """Hide what says who a person is."""
    personal = origin.personal if origin.sealed else None
    return replace(row, raw=masked(row.raw, row.reason, personal))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
