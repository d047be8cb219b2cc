# SPDX-License-Identifier: Apache-2.0
"""Refused rows: kept with reason, source, file, line and raw text until resolved or dropped."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heptad.ingest.reasons import UNREADABLE, explain
from heptad.standards.errors import Corrupt
from heptad.standards.showing import without_cards

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from heptad.security.keys import KeyStore

HIDDEN = "•••"
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
_ROW_GROUP = 50_000


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
        sealed: whether the raw text is sealed.
    """

    table: str
    source: str
    load: int
    known: str
    columns: tuple[str, ...]
    personal: tuple[str, ...] = ()
    sealed: bool = False


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
        origin: where the rows come from.
        keys: seals the raw text if `origin.sealed`.
    """

    def __init__(self, path: Path, origin: Origin, keys: KeyStore | None) -> None:
        self.path, self.origin = path, origin
        self.counts: Counter[str] = Counter()
        self._cipher = _cipher(origin, keys) if origin.sealed and keys is not None else None
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
        if sum(batch.num_rows for batch in self._waiting) >= _ROW_GROUP:
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

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            schema = _SCHEMA.with_metadata({_ABOUT: _described(self.origin)})
            self._writer = pq.ParquetWriter(
                self._draft, schema, compression="zstd", write_page_checksum=True
            )
        rows = pa.Table.from_batches(self._waiting)
        self._writer.write_table(rows.sort_by([("file", "ascending"), ("line", "ascending")]))
        self._waiting.clear()

    def _sealed(self, raws: pa.Array) -> pa.BinaryArray:
        texts = raws.cast(pa.binary())
        if self._cipher is None:
            return texts
        cells = []
        for text in texts.to_pylist():
            nonce = os.urandom(_NONCE)
            sealed = None if text is None else nonce + self._cipher.encrypt(nonce, text, _ABOUT)
            cells.append(sealed)
        return pa.array(cells, pa.binary())


class Quarantine:
    """The quarantine of a project.

    Args:
        folder: `quarantine/` of the project.
        keys: opens raw text that is sealed.
    """

    def __init__(self, folder: Path, keys: KeyStore | None = None) -> None:
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
        """Remove refused rows for good; return how many."""
        gone = 0
        for path in self.paths(table, load):
            rows = pq.read_table(path)
            kept = rows.filter(pc.field("reason") != reason) if reason else rows.slice(0, 0)
            gone += rows.num_rows - kept.num_rows
            if not kept.num_rows:
                path.unlink()
            elif kept.num_rows < rows.num_rows:
                draft = path.with_suffix(".draft")
                pq.write_table(kept, draft, compression="zstd", write_page_checksum=True)
                _sync(draft)
                draft.replace(path)
            _sync(path.parent)
        return gone

    def raws(self, path: Path) -> tuple[Origin, Iterator[Refusal]]:
        """Return where the rows of a file come from, and the rows in clear, to try them again."""
        origin = about(path)
        return origin, self._rows(path, origin)

    def _rows(self, path: Path, origin: Origin) -> Iterator[Refusal]:
        cipher = _cipher(origin, self._keys) if origin.sealed and self._keys is not None else None
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for batch in file.iter_batches(10_000):
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


def _cipher(origin: Origin, keys: KeyStore) -> AESGCM:
    """Return the cipher of a load's refused rows."""
    return AESGCM(keys.pepper(f"quarantine|{origin.table}|{origin.load}"))


def _opened(raw: bytes | None, cipher: AESGCM | None, path: Path) -> str | None:
    if raw is None or cipher is None:
        return None if raw is None else raw.decode()
    try:
        return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _ABOUT).decode()
    except InvalidTag as error:
        raise Corrupt(
            "A quarantined row does not open with its key.",
            do="restore quarantine/ and keys/ from the same backup",
            place=str(path),
        ) from error


def _masked(row: Refusal, origin: Origin) -> Refusal:
    """Hide what says who a person is; of a record that could not be read, everything.

    A card number is hidden wherever it stands: a row may be refused for being in the wrong place.
    """
    if row.raw is None:
        return row
    shown = row.raw
    if origin.sealed:
        values = _values(row)
        shown = HIDDEN
        if values is not None:
            shown = json.dumps(_hidden(values, frozenset(origin.personal)), ensure_ascii=False)
    fields = {name: getattr(row, name) for name in Refusal.__slots__}
    return Refusal(**fields | {"raw": without_cards(shown)})


def _values(row: Refusal) -> dict[str, Any] | None:
    try:
        values = json.loads(row.raw or "") if row.reason not in UNREADABLE else None
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _hidden(values: dict[str, Any], personal: frozenset[str], prefix: str = "") -> dict[str, Any]:
    """Return an object without personal values; those of inner objects are named `outer.inner`."""
    shown: dict[str, Any] = {}
    for name, value in values.items():
        if prefix + name in personal:
            shown[name] = None if value is None else HIDDEN
        elif isinstance(value, dict):
            shown[name] = _hidden(value, personal, f"{prefix}{name}.")
        else:
            shown[name] = value
    return shown


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
