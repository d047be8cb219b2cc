# SPDX-License-Identifier: Apache-2.0
"""Catalogs to test with: SQLite always, PostgreSQL where a server is named."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from heptad.catalog import Catalog
from heptad.standards.time import FixedClock, day

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = 20_000 * day + day // 2


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: for many small catalogs, not for durability."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@cache
def _empty() -> bytes:
    """The bytes of a catalog that was just made."""
    with quick_folder() as folder:
        Catalog(folder / "c.sqlite", clock=FixedClock(NOON)).close()
        return (folder / "c.sqlite").read_bytes()


@contextmanager
def quick_catalog() -> Iterator[Catalog]:
    """An empty catalog for one example of a property."""
    with quick_folder() as folder:
        (folder / "c.sqlite").write_bytes(_empty())
        with Catalog(folder / "c.sqlite", clock=FixedClock(NOON)) as catalog:
            yield catalog


def half_done(catalog: Catalog, error: BaseException) -> None:
    """Break off in the middle of a transaction."""
    with catalog.transaction():
        catalog.settings.set("half", "done")
        raise error


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def postgres() -> Iterator[str]:
    """An empty database of its own on the server of HEPTAD_POSTGRES."""
    server = os.environ.get("HEPTAD_POSTGRES")
    if not server:
        pytest.skip("HEPTAD_POSTGRES names no server")
    from sqlalchemy import create_engine, make_url

    name = f"heptad_{secrets.token_hex(6)}"
    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield url.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty catalog can be made, on each database."""
    if request.param == "sqlite":
        return str(tmp_path / "catalog.sqlite")
    return request.getfixturevalue("postgres")


@pytest.fixture
def catalog(target: str, tmp_path: Path, clock: FixedClock) -> Iterator[Catalog]:
    if "://" not in target:
        Path(target).write_bytes(_empty())
    with Catalog(target, models=tmp_path / "models", clock=clock) as opened:
        yield opened
