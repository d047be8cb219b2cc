# SPDX-License-Identifier: Apache-2.0
"""The row stores that one suite tests, each opened empty."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from heptad.engine.hbase.gateway import Gateway
from heptad.engine.hbase.rows import HBaseRows
from heptad.engine.local.rows import Rows
from heptad.engine.redis.rows import RedisRows
from heptad.standards.time import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def rocksdb(folder: Path) -> Iterator[Any]:
    """The embedded store."""
    with Rows(folder / "rows") as rows:
        yield rows


@contextmanager
def redis(_: Path) -> Iterator[Any]:
    """Redis, under a name of its own."""
    url = os.environ.get("HEPTAD_REDIS")
    if not url:
        pytest.skip("needs a Redis server (HEPTAD_REDIS): run it by scripts/with-servers")
    rows = RedisRows(url, name=f"test-{uuid.uuid4().hex}")
    try:
        yield rows
    finally:
        for table in rows.tables():
            rows.drop(table)
        rows.close()


@contextmanager
def gateway(folder: Path) -> Iterator[Any]:
    """HBase's client against our own gateway, which serves the embedded store."""
    with Rows(folder / "rows") as rows, Gateway(rows, port=0) as served:
        store = HBaseRows(port=served.port)
        yield store
        store.close()


@contextmanager
def hbase(_: Path) -> Iterator[Any]:
    """A real HBase, under a prefix of its own."""
    host, _, port = os.environ.get("HEPTAD_HBASE", "").partition(":")
    if not host:
        pytest.skip("NOT CHECKED: a real HBase; name its Thrift gateway in HEPTAD_HBASE=host:port")
    store = HBaseRows(host, int(port or 9090), prefix=f"heptad{uuid.uuid4().hex[:8]}")
    try:
        yield store
    finally:
        for table in store.tables():
            store.drop(table)
        store.close()


STORES = [
    rocksdb,
    pytest.param(redis, marks=pytest.mark.slow),
    gateway,
    pytest.param(hbase, marks=pytest.mark.slow),
]


def now() -> int:
    """The present, microseconds, cut to what every store keeps."""
    return SystemClock().now() // 1000 * 1000


def later() -> None:
    """Let a millisecond pass: the step of HBase's clock."""
    time.sleep(0.002)
