# SPDX-License-Identifier: Apache-2.0
"""Packed files: cut, damaged, doubled, mislabelled, and those that unpack to far too much."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
import zlib

import pyarrow as pa
from tests.faults.malformed.case import GOOD, HEAD, Case, large, lines, loaded, payment, refused

PLAIN = lines(*(payment(n) for n in range(1, 400))).encode()
GZ = gzip.compress(PLAIN)
ZST = pa.Codec("zstd").compress(PLAIN, asbytes=True)
MIB = 1 << 20


def _gzip_bomb(folder):
    """Ten gigabytes of one long line, by the member repeated."""
    part = gzip.compress(bytes(64 * MIB), 9)
    (folder / "a.csv.gz").write_bytes(gzip.compress(f"{HEAD}\n".encode()) + part * 160)


def _gzip_bomb_of_rows(folder):
    """Four gigabytes of the same good row."""
    part = gzip.compress(f"{GOOD}\n".encode() * 1_400_000, 9)
    (folder / "a.csv.gz").write_bytes(gzip.compress(f"{HEAD}\n".encode()) + part * 64)


def _zstd_bomb(folder):
    with (
        (folder / "a.csv.zst").open("wb") as file,
        pa.CompressedOutputStream(pa.PythonFile(file), "zstd") as packed,
    ):
        packed.write(f"{HEAD}\n".encode())
        for _ in range(2048):
            packed.write(b"0" * MIB)


def _zstd_bomb_of_json(folder):
    with (
        (folder / "a.jsonl.zst").open("wb") as file,
        pa.CompressedOutputStream(pa.PythonFile(file), "zstd") as packed,
    ):
        for _ in range(1024):
            packed.write(b'{"id": "' + b"0" * MIB + b'"}\n')


def _gzip_in_gzip(folder):
    (folder / "a.csv.gz").write_bytes(gzip.compress(gzip.compress(PLAIN)))


def _tar(folder):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        tar.addfile(info := tarfile.TarInfo("../../etc/passwd"), io.BytesIO(PLAIN))
        info.size = len(PLAIN)
    (folder / "a.csv.gz").write_bytes(data.getvalue())


def _zip(folder):
    with zipfile.ZipFile(folder / "a.csv", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../a.csv", PLAIN)


def _window(folder):
    """A zstd frame that asks for a window of 2 GiB."""
    frame = b"\x28\xb5\x2f\xfd" + bytes([0b0000_0000, (21 << 3)]) + b"\x01\x00\x00"
    (folder / "a.csv.zst").write_bytes(frame)


CASES = [
    Case("gzip cut in the middle", GZ[: len(GZ) // 2], refused("input", "to its end", "whole"),
         file="a.csv.gz"),
    Case("gzip cut in its last bytes", GZ[:-4], refused("input", "to its end"), file="a.csv.gz"),
    Case("gzip cut in its head", GZ[:7], refused("input", "to its end"), file="a.csv.gz"),
    Case("gzip with a flipped bit", GZ[:300] + bytes([GZ[300] ^ 16]) + GZ[301:],
         refused("input", "to its end"), file="a.csv.gz"),
    Case("gzip with a wrong checksum", GZ[:-8] + b"\0\0\0\0" + GZ[-4:],
         refused("input", "to its end"), file="a.csv.gz"),
    Case("gzip with a wrong length", GZ[:-4] + b"\0\0\0\0", refused("input", "to its end"),
         file="a.csv.gz"),
    Case("two gzip files in one", GZ + gzip.compress(f"{payment(900)}\n".encode()), loaded(400),
         file="a.csv.gz"),
    Case("an empty gzip member behind", GZ + gzip.compress(b""), loaded(399), file="a.csv.gz"),
    Case("garbage behind gzip", GZ + b"garbage", refused("input", "to its end"), file="a.csv.gz"),
    Case("zeros behind gzip", GZ + bytes(512), refused("input", "to its end"), file="a.csv.gz"),
    Case("an empty file named .gz", b"", refused("input", "empty"), file="a.csv.gz"),
    Case("gzip of nothing", gzip.compress(b""), refused("input", "empty"), file="a.csv.gz"),
    Case("text named .gz", PLAIN, loaded(399), file="a.csv.gz"),
    Case("gzip named .csv", GZ, loaded(399)),
    Case("zstd named .gz", ZST, loaded(399), file="a.csv.gz"),
    Case("text declared as gzip", PLAIN, refused("input", "to its end", "compression"),
         'compression = "gzip"'),
    Case("gzip declared as zstd", GZ, refused("input", "to its end", "compression"),
         'compression = "zstd"'),
    Case("gzip declared as not packed", GZ, refused("input", "gzip", "compression"),
         'compression = "none"'),
    Case("deflate without a head, named .gz", zlib.compress(PLAIN),
         refused("input", "encoding"), file="a.csv.gz"),
    Case("bzip2", bz2.compress(PLAIN), refused("input", "bzip2", "unpack"), file="a.csv.bz2"),
    large("gzip within gzip", _gzip_in_gzip, refused("input", "gzip", "packed twice")),
    large("an archive (tar) with a path that climbs", _tar, refused("input")),
    large("an archive (zip) with a path that climbs", _zip, refused("input")),
    Case("zstd cut in the middle", ZST[: len(ZST) // 2], refused("input", "to its end"),
         file="a.csv.zst"),
    Case("zstd with a damaged block", ZST[:9] + b"\xff\xff" + ZST[11:],
         refused("input", "to its end"), file="a.csv.zst"),
    Case("two zstd frames", ZST + pa.Codec("zstd").compress(f"{payment(900)}\n".encode(), asbytes=True),
         loaded(400), file="a.csv.zst"),
    Case("garbage behind zstd", ZST + b"garbage", refused("input", "to its end"), file="a.csv.zst"),
    large("zstd that asks for a window of 2 GiB", _window, refused("input")),
    large("10 GiB of zeros in gzip", _gzip_bomb, refused("input", "unpacks")),
    large("2 GiB of one line in zstd", _zstd_bomb, refused("input", "unpacks")),
    large("1 GiB of JSON in zstd", _zstd_bomb_of_json, refused("input", "unpacks")),
]  # fmt: skip
