# SPDX-License-Identifier: Apache-2.0
"""Search of every byte of every file for texts and keys, in the forms in which they could lie there."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def forms(secret: str | bytes) -> list[bytes]:
    """Return a text or a key as it could be written: as it is, in JSON, UTF-16, hex, base64."""
    if isinstance(secret, bytes):
        return [secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"="),
                base64.urlsafe_b64encode(secret).rstrip(b"=")]  # fmt: skip
    plain = secret.encode()
    return [plain, json.dumps(secret)[1:-1].encode(), secret.encode("utf-16-le"),
            secret.casefold().encode(), plain.hex().encode()]  # fmt: skip


def contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield a file's bytes, and what is compressed within, unpacked."""
    data = path.read_bytes()
    yield path.name, data
    if data[:4] == b"PAR1":
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield f"{path.name} rows", str(file.read_row_group(group).to_pydict()).encode()
                for n in range(file.metadata.num_columns):
                    held = file.metadata.row_group(group).column(n).statistics
                    yield f"{path.name} statistics", str(held).encode()
    if data[:2] == b"\x1f\x8b":
        yield f"{path.name} unpacked", gzip.decompress(data)
    if data[:15] == b"SQLite format 3":
        db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        yield f"{path.name} rows", "\n".join(db.iterdump()).encode()
        db.close()


def found(folder: Path, secrets: Iterable[str | bytes]) -> dict[str, list[str]]:
    """Return where each secret lies in a folder; nothing for those that lie nowhere."""
    wanted = {secret: forms(secret) for secret in secrets}
    where: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        for place, data in contents(path):
            folded = data.lower()
            for secret, written in wanted.items():
                text = isinstance(secret, str)
                if any(form in data or (text and form in folded) for form in written):
                    name = secret if isinstance(secret, str) else secret.hex()[:12]
                    where.setdefault(name, []).append(f"{path.parent.name}/{place}")
    return where
