# SPDX-License-Identifier: Apache-2.0
"""Sealing and hashing of one slice of rows whose keys are given, which any process can do."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from heptad.security.envelope import KEY_BYTES, NONCE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = b"\x01"
HEAD = len(VERSION) + NONCE_BYTES
"""Bytes of a sealed cell before its ciphertext."""
_BLOCK = 512
"""Rows of which the ciphers are in memory together: few enough for the processor's cache."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows to seal or hash, with all that it takes.

    Attributes:
        names: (s,) the subjects whom the rows are about, each once.
        keys: their keys of 32 bytes, one after the other.
        codes: (n,) positions in `names`; s for a row without a subject.
        texts: per column (n,) what to seal.
        stems: per column what its cells are bound to, beside their subject.
        rows: per column (n,) what to hash; none to hash nothing.
        pepper: the key of hashes of rows without a subject.
    """

    names: pa.StringArray = field(repr=False)
    keys: bytes = field(repr=False)
    codes: np.ndarray = field(repr=False)
    texts: list[pa.BinaryArray] = field(repr=False)
    stems: list[bytes]
    rows: list[pa.StringArray] = field(repr=False)
    pepper: bytes = field(repr=False)


class Done(NamedTuple):
    """Per column (n,) cells, and (n,) hashes, none if not asked for."""

    cells: list[pa.BinaryArray]
    hashes: pa.Int64Array


def seal_slice(given: Slice) -> Done:
    """Seal columns and hash rows, subject after subject: a cipher is made once, and few live."""
    order = np.argsort(given.codes, kind="stable")
    codes, forward = given.codes[order], pa.array(order)
    texts = [text.take(forward).to_pylist() for text in given.texts]
    names = given.names.cast(pa.binary()).to_pylist()
    content = _framed(given.rows).take(forward).to_pylist() if given.rows else []
    nonces = [os.urandom(NONCE_BYTES * len(codes)) for _ in texts]
    sealed: list[list[bytes | None]] = [[] for _ in texts]
    digests: list[bytes] = []
    for start in range(0, len(codes), _BLOCK):
        here = slice(start, start + _BLOCK)
        first, last = int(codes[start]), int(codes[here][-1])
        numbers = (codes[here] - first).tolist()
        keys = [key for (key,) in _cut(given.keys, KEY_BYTES, slice(first, last + 1))]
        if texts:
            who = names[first : last + 1]
            ciphers = [AESGCM(key).encrypt for key in keys]
        for cells, text, drawn, stem in zip(sealed, texts, nonces, given.stems, strict=True):
            labels = [stem + name for name in who]
            cells += [
                None if value is None else ciphers[at](nonce, value, labels[at])
                for value, at, (nonce,) in zip(
                    text[here], numbers, _cut(drawn, NONCE_BYTES, here), strict=True
                )
            ]
        if content:
            derived = [*map(hash_key, keys), given.pepper]
            digests += [
                blake2b(row, digest_size=8, key=derived[at]).digest()
                for row, at in zip(content[here], numbers, strict=True)
            ]
    back = np.argsort(order, kind="stable")
    found = np.frombuffer(b"".join(digests), "<i8")
    return Done(
        [
            pc.binary_join_element_wise(_heads(drawn), pa.array(cells, pa.binary()), b"").take(
                pa.array(back)
            )
            for cells, drawn in zip(sealed, nonces, strict=True)
        ],
        pa.array(found[back] if content else found, pa.int64()),
    )


def hash_key(key: bytes) -> bytes:
    """Derive a key for hashing, so that one key serves one purpose."""
    return blake2b(key=key, person=b"heptad content", digest_size=32).digest()


def _cut(whole: bytes, size: int, part: slice) -> Iterator[tuple[bytes]]:
    """Return some of the pieces of which the whole consists."""
    return struct.iter_unpack(f"{size}s", whole[size * part.start : size * part.stop])


def _heads(drawn: bytes) -> pa.BinaryArray:
    """Return what stands before the ciphertext of each cell: the version and the nonce."""
    nonces = np.frombuffer(drawn, np.uint8).reshape(-1, NONCE_BYTES)
    heads = np.empty((len(nonces), HEAD), np.uint8)
    heads[:, : len(VERSION)] = np.frombuffer(VERSION, np.uint8)
    heads[:, len(VERSION) :] = nonces
    ends = np.arange(0, HEAD * (len(nonces) + 1), HEAD, dtype=np.int32)
    return pa.Array.from_buffers(
        pa.binary(), len(nonces), [None, pa.py_buffer(ends), pa.py_buffer(heads)]
    )


def _framed(columns: list[pa.StringArray]) -> pa.BinaryArray:
    """Join the texts of each row so that no two different rows read the same."""
    parts = []
    for column in columns:
        text = column.cast(pa.binary())
        size = pc.binary_length(text).cast(pa.string()).cast(pa.binary())
        framed = pc.binary_join_element_wise(size, text, pa.scalar(b":"))
        parts.append(pc.fill_null(framed, pa.scalar(b"-")))
    return pc.binary_join_element_wise(*parts, pa.scalar(b","))
