# SPDX-License-Identifier: Apache-2.0
"""The catalog in PostgreSQL: its server goes away between any two messages, also right at a commit."""

from __future__ import annotations

import json
import os
import secrets
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from cutting import MODES, Cutting
from injector import sampled
from store_work import CatalogWork

from heptad.catalog.catalog import Catalog
from heptad.standards.errors import Busy, HeptadError
from heptad.standards.time import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import URL

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(900)]
TRIES = 4


class PostgresWork(CatalogWork):
    """The work of the catalog, in a database."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def open(self, home: Path, told: dict[str, Any]) -> Iterator[Catalog]:
        with Catalog(self._url, models=home / "models", clock=FixedClock(10**15)) as catalog:
            for load in catalog.loads.unfinished(mine=True):
                catalog.loads.failed(load.id, "interrupted")
            yield catalog


class Bench:
    """Databases with an empty catalog, made by copying one."""

    def __init__(self, server: URL, folder: Path) -> None:
        from sqlalchemy import create_engine

        self.server, self._folder, self._number = server, folder, 0
        self._name = f"heptad_{secrets.token_hex(6)}"
        self._engine = create_engine(server, isolation_level="AUTOCOMMIT")
        self._run(f"CREATE DATABASE {self._name}")
        Catalog(self.url(self._name), models=folder / "none").close()
        self.calm: Any = None
        self.messages = 0

    def url(self, name: str, port: int | None = None) -> str:
        found = self.server.set(database=name, drivername="postgresql")
        if port is not None:
            found = found.set(host="127.0.0.1", port=port, query={})
        return found.render_as_string(hide_password=False)

    def fault(self, nth: int, mode: str) -> tuple[int, set[str]]:
        """Do the work while the server goes away once; how many steps were told before, and what refused."""
        self._number += 1
        name = f"{self._name}_{self._number}"
        home = self._folder / name
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._name}")
        try:
            with Cutting(self._connect, nth, mode) as server:
                told, codes = _asked(PostgresWork(self.url(name, server.port)), home)
            self.messages = self.messages or server.messages
            work = PostgresWork(self.url(name))
            with work.open(home, told) as store:
                work.check(store, told)
                for step, do in work.steps(store):
                    answer = json.loads(json.dumps(do()))
                    assert answer == told.setdefault(step, answer), step
                work.check(store, told)
                end = json.loads(json.dumps(work.end(store)))
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")
        self.calm = self.calm or end
        assert end == self.calm
        return len(told), codes

    def close(self) -> None:
        self._run(f"DROP DATABASE {self._name} WITH (FORCE)")
        self._engine.dispose()

    def _connect(self) -> socket.socket:
        port, folder = self.server.port or 5432, self.server.query.get("host")
        if not folder:
            return socket.create_connection((self.server.host or "127.0.0.1", port))
        found = socket.socket(socket.AF_UNIX)
        found.connect(f"{folder}/.s.PGSQL.{port}")
        return found

    def _run(self, sql: str) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(sql)


def _asked(work: PostgresWork, home: Path) -> tuple[dict[str, Any], set[str]]:
    """Ask for each step until it is told; whatever is unknown is asked for again by its id."""
    told: dict[str, Any] = {}
    codes: set[str] = set()
    for _ in range(TRIES):
        try:
            with work.open(home, told) as store:
                for step, do in work.steps(store):
                    if step not in told:
                        told[step] = json.loads(json.dumps(do()))
        except HeptadError as refusal:
            codes.add(refusal.code)
        else:
            return told, codes
    raise AssertionError(f"never done: {told}, {codes}")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench on the server of HEPTAD_POSTGRES, and the undisturbed run."""
    from sqlalchemy import make_url

    server = os.environ.get("HEPTAD_POSTGRES")
    if not server:
        pytest.skip("HEPTAD_POSTGRES names no server")
    made = Bench(
        make_url(server).set(drivername="postgresql+psycopg"), tmp_path_factory.mktemp("pg")
    )
    made.fault(0, "before")
    yield made
    made.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("most", [4, pytest.param(150, marks=pytest.mark.soak)])
def test_the_server_goes_away(bench: Bench, mode: str, most: int) -> None:
    refused = 0
    for nth in sampled(bench.messages, most):
        steps, codes = bench.fault(nth, mode)
        assert steps == 16
        assert codes <= {Busy.code}, (nth, mode, codes)
        refused += bool(codes)
    assert refused >= most // 2
