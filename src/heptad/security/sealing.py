# SPDX-License-Identifier: Apache-2.0
"""Sealing of personal values under the key of the person they are about.

A cell is `01 | nonce (12 bytes) | AES-256-GCM ciphertext | tag (16 bytes)`, bound by its
associated data to its table, its column and its subject: moved elsewhere, it does not open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heptad.security.envelope import RESTORE
from heptad.security.slices import HEAD, VERSION, Slice, hash_key, seal_slice
from heptad.standards.errors import ContractError, Corrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from heptad.security.keys import KeyStore
    from heptad.security.slices import Done
    from heptad.standards.tables import Table

OVERHEAD = HEAD + 16
"""Bytes that a sealed cell is longer than its text."""

_SLICE = 131_072
"""Rows of which the keys are in memory together."""


class Sealed(NamedTuple):
    """Column → (n,) cells, null where the value is null; and (n,) hashes, none if not asked for."""

    cells: dict[str, pa.BinaryArray]
    hashes: pa.Int64Array


class Opened(NamedTuple):
    """Values as text, null where there was none or where the person was erased.

    `erased` is true only for the latter.
    """

    values: pa.StringArray
    erased: pa.BooleanArray


def canonical(values: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """Write values as the text that is sealed and hashed; null stays null.

    Text stays as it is, character by character. Integers are decimal without leading zeros
    (fixed-point and money as their integers). Flags are `true` and `false`. Days are
    `YYYY-MM-DD`. Instants are `YYYY-MM-DDThh:mm:ss.ffffffZ`, always with six decimals; an
    instant without a zone is UTC. A place is text made by ingest, `lat,lon` in 1e-7 degrees.

    Raises:
        ContractError: for any other type; a float has no exact text.
    """
    array = _whole(values)
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    kind = array.type
    if _is_text(kind) or pa.types.is_integer(kind) or kind in (pa.bool_(), pa.date32(), pa.null()):
        return array.cast(pa.string())
    if pa.types.is_timestamp(kind):
        zoned = array.cast(pa.timestamp("us", kind.tz or "UTC")).cast(pa.timestamp("us", "UTC"))
        return pc.replace_substring(zoned.cast(pa.string()), " ", "T", max_replacements=1)
    raise ContractError(
        f"A value of type {kind} has no canonical text.",
        do="give text, whole or fixed-point numbers, flags, days or instants",
    )


def subject_names(table: type[Table], rows: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """Return whom rows are about as the key store names them: `Customer:42`.

    Args:
        table: the table that the rows belong to.
        rows: (n,) text, its column of the subject.

    Returns:
        (n,) text; null where the column is null.
    """
    keys = _whole(rows).cast(pa.string())
    return pc.binary_join_element_wise(pa.scalar(table.subject_type()), keys, pa.scalar(":"))


def seal_rows(
    cells: Mapping[str, pa.Array | pa.ChunkedArray],
    content: Sequence[pa.Array | pa.ChunkedArray],
    subjects: pa.Array | pa.ChunkedArray,
    keys: KeyStore,
    table: str,
    by: Callable[[Slice], Done] = seal_slice,
) -> Sealed:
    """Seal some columns of rows and hash their content; makes the keys that are not there yet.

    The hash is keyed by the subject's key: without it nothing about the values can be tried
    out, and once the person is erased nobody can. A row without a subject is hashed under a
    pepper. It is BLAKE2b of the canonical texts, each with its length, cut to 64 bits.

    Args:
        cells: column → (n,) values to seal, of any type that `canonical` takes.
        content: columns of (n,) values to hash, so that equal rows of one subject are found.
        subjects: (n,) text, the person whom each row is about.
        keys: holds a key per subject.
        table: the table's name, bound to each cell, as its column's is.
        by: seals a slice, as `Sealers` do in other processes.

    Raises:
        ContractError: if a row has a value to seal but no subject.
        Refused: if a subject was erased (see `KeyStore.erasures`).
    """
    for values in (*cells.values(), *content):
        people = _aligned(values, subjects)
    texts = [canonical(values).cast(pa.binary()) for values in cells.values()]
    stems = [_stem(table, column) for column in cells]
    about = [
        _present(people, text, f"{table}.{column}")
        for column, text in zip(cells, texts, strict=True)
    ]
    rows = [canonical(column) for column in content]
    if not rows:
        people = pc.coalesce(*about)  # nobody is given a key for a row without a value
    done = [
        by(_slice_of(people.slice(start, _SLICE), [t.slice(start, _SLICE) for t in texts],
                     stems, [r.slice(start, _SLICE) for r in rows], keys))
        for start in range(0, len(people), _SLICE)
    ]  # fmt: skip
    sealed = {
        column: pa.concat_arrays([pa.array([], pa.binary()), *(part.cells[nth] for part in done)])
        for nth, column in enumerate(cells)
    }
    return Sealed(sealed, pa.concat_arrays([pa.array([], pa.int64()), *(p.hashes for p in done)]))


def open_sealed(
    cells: pa.Array | pa.ChunkedArray,
    subjects: pa.Array | pa.ChunkedArray,
    keys: KeyStore,
    table: str,
    column: str,
) -> Opened:
    """Open one sealed column.

    Args:
        cells: (n,) binary, as `seal` made them.
        subjects: (n,) text, the person whom each row is about.
        keys: holds a key per subject.
        table: the table's name.
        column: the column's name.

    Returns:
        (n,) texts and (n,) flags of the values that are unreadable for ever.

    Raises:
        Corrupt: if a cell was changed, or moved from another row, column or table, or if a
            key is missing that was never destroyed.
        ContractError: if a row has a cell but no subject.
    """
    blobs, people = _whole(cells).cast(pa.binary()), _aligned(cells, subjects)
    title, stem = f"{table}.{column}", _stem(table, column)
    people = _present(people, blobs, title)
    texts: list[bytes | None] = []
    erased: list[bool] = []
    for start in range(0, len(blobs), _SLICE):
        opening = _Opening(people.slice(start, _SLICE), keys, stem)
        cells_here = blobs.slice(start, _SLICE).to_pylist()
        found, gone = opening.run(cells_here, f"{title} at row", start)
        texts += found
        erased += gone
    values = pa.array(texts, pa.binary()).cast(pa.string())
    return Opened(values, pa.array(erased, pa.bool_()))


def _slice_of(
    people: pa.StringArray,
    texts: list[pa.BinaryArray],
    stems: list[bytes],
    rows: list[pa.StringArray],
    keys: KeyStore,
) -> Slice:
    """Return rows with the keys of their subjects; those that are not there yet are made."""
    encoded = people.dictionary_encode()
    names = encoded.dictionary
    found = b"".join(cast("list[bytes]", keys.of(names.to_pylist())))
    codes = pc.fill_null(encoded.indices, len(names)).to_numpy()
    pepper = hash_key(keys.pepper("content")) if rows else b""
    return Slice(names, found, codes, texts, stems, rows, pepper)


class _Opening:
    """The opening of one slice of a column."""

    def __init__(self, people: pa.StringArray, keys: KeyStore, stem: bytes) -> None:
        self._names, self._codes = _by_subject(people)
        self._store, self._keys, self._stem = keys, keys.of(self._names, create=False), stem
        self._erasures: dict[str, int] | None = None

    def run(
        self, cells: list[bytes | None], place: str, start: int
    ) -> tuple[list[bytes | None], list[bool]]:
        """Return what each cell opens to, and which of them are unreadable for ever."""
        texts: list[bytes | None] = [None] * len(cells)
        erased = [False] * len(cells)
        present, cipher, label = -1, None, b""
        for row, code in _subject_after_subject(self._codes):
            cell = cells[row]
            if cell is None:
                continue
            if code != present:
                present, key = code, self._keys[code]
                cipher = None if key is None else AESGCM(key)
                label = self._stem + self._names[code].encode()
            text = texts[row] = _open(cell, cipher, label)
            if text is None:
                if not self._was_erased(code):
                    raise _broken(f"{place} {start + row}", keyless=cipher is None)
                erased[row] = True
        return texts, erased

    def _was_erased(self, code: int) -> bool:
        """Whether the subject was ever erased; a revived one has another key by now."""
        if self._erasures is None:
            self._erasures = self._store.erasures(self._names)
        return self._names[code] in self._erasures


def _open(cell: bytes, cipher: AESGCM | None, label: bytes) -> bytes | None:
    if cipher is None or cell[: len(VERSION)] != VERSION:
        return None
    try:
        return cipher.decrypt(cell[len(VERSION) : HEAD], cell[HEAD:], label)
    except (InvalidTag, ValueError):
        return None


def _broken(place: str, *, keyless: bool) -> Corrupt:
    if keyless:
        return Corrupt(
            f"{place} is sealed under a key that is missing, though it was never destroyed.",
            do=RESTORE,
        )
    return Corrupt(
        f"{place} does not match its seal: it was changed or moved.",
        do="find the damaged file with `heptad doctor --scrub`, then restore it",
    )


def _by_subject(people: pa.StringArray) -> tuple[list[str], list[int]]:
    """Return the distinct subjects and each row's position among them; -1 without one."""
    encoded = people.dictionary_encode()
    codes = pc.fill_null(encoded.indices, pa.scalar(-1, encoded.indices.type))
    return encoded.dictionary.to_pylist(), codes.to_pylist()


def _subject_after_subject(codes: list[int]) -> Iterator[tuple[int, int]]:
    """Return (row, code) so that a subject's rows follow each other: one cipher lives at a time."""
    numbers = np.array(codes, dtype=np.int64)
    order = np.argsort(numbers, kind="stable")
    return zip(order.tolist(), numbers[order].tolist(), strict=True)


def _present(people: pa.StringArray, cells: pa.BinaryArray, title: str) -> pa.StringArray:
    """Return the subjects of the rows that have a value, null elsewhere."""
    used = pc.if_else(cells.is_valid(), people, pa.scalar(None, pa.string()))
    lacking = used.null_count - cells.null_count
    if lacking:
        raise ContractError(
            f"{title} is personal, but {lacking} row(s) with a value have no subject.",
            do="leave such rows to quarantine",
        )
    return used


def _aligned(
    values: pa.Array | pa.ChunkedArray, subjects: pa.Array | pa.ChunkedArray
) -> pa.StringArray:
    if len(values) != len(subjects):
        raise ContractError(
            "Each value needs its subject.", got=f"{len(values)} values, {len(subjects)} subjects"
        )
    people = _whole(subjects)
    if pa.types.is_dictionary(people.type):
        people = people.cast(people.type.value_type)
    if not (_is_text(people.type) or pa.types.is_null(people.type)):
        raise ContractError("The id of a subject must be text.", got=str(people.type))
    return people.cast(pa.string())


def _stem(table: str, column: str) -> bytes:
    if "|" in table + column:
        raise ContractError("A table or column to seal has '|' in its name.", got=(table, column))
    return f"{table}|{column}|".encode()


def _whole(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())
