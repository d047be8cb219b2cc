# SPDX-License-Identifier: Apache-2.0
"""The database: durable settings, whole transactions, readers beside the writer, clear errors."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from heptad.catalog import Catalog, databases
from heptad.catalog.faults import translated
from heptad.catalog.store import Store
from heptad.standards.errors import (
    Busy,
    Conflict,
    ContractError,
    Corrupt,
    InputError,
    Refused,
    UnknownName,
)
from tests.catalog.conftest import half_done

if TYPE_CHECKING:
    from pathlib import Path


def test_importing_the_package_loads_no_database() -> None:
    code = (
        "import sys, heptad.catalog\n"
        "heavy = {'sqlalchemy', 'alembic', 'psycopg'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_opening_a_current_catalog_does_not_load_alembic(tmp_path: Path) -> None:
    Catalog(tmp_path / "c.sqlite").close()
    code = (
        "import sys\nfrom heptad.catalog import Catalog\n"
        f"Catalog({str(tmp_path / 'c.sqlite')!r}).close()\n"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestSettings:
    @pytest.mark.parametrize("writes", [True, False])
    def test_every_connection_is_durable(self, tmp_path: Path, writes: bool) -> None:
        engine = databases.sqlite(tmp_path / "c.sqlite", writes=writes)
        wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}
        with engine.connect() as connection:
            for name, value in wanted.items():
                assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == value
        engine.dispose()

    def test_a_setting_that_does_not_take_is_an_error(self, tmp_path: Path) -> None:
        # In memory SQLite answers "memory" to WAL, as some network disks answer "delete".
        connection = sqlite3.connect(":memory:")
        with pytest.raises(Corrupt, match="journal_mode=wal") as caught:
            databases.settle(connection, "journal_mode", "wal", tmp_path)
        assert "memory" in str(caught.value)
        with pytest.raises(Corrupt):
            databases.settle(connection, "no_such_setting", 1, tmp_path)
        connection.close()

    def test_readers_cannot_write(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "c.sqlite")
        with pytest.raises(Busy), store.read() as connection:
            connection.execute(text("DELETE FROM loads"))
        store.close()

    @pytest.mark.postgres
    def test_postgres_sessions_wait_for_the_disk(self, postgres: str) -> None:
        store = Store(postgres)
        with store.write() as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"
            assert connection.execute(text("SHOW timezone")).scalar() == "UTC"
        with store.read() as connection:
            assert connection.execute(text("SHOW transaction_isolation")).scalar() == (
                "repeatable read"
            )
        store.close()

    def test_no_other_account_reads_the_file(self, tmp_path: Path) -> None:
        """It holds hashes of passwords. One that an earlier release made is closed."""
        path, before = tmp_path / "c.sqlite", os.umask(0o022)
        try:
            for _ in range(2):
                with closing(Catalog(path)) as catalog:
                    catalog.settings.set("said", 1)
                    modes = {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir()}
                names = ("c.sqlite", "c.sqlite-wal", "c.sqlite-shm")
                assert modes == dict.fromkeys(names, 0o600)
                path.chmod(0o644)
        finally:
            os.umask(before)

    def test_a_log_that_a_kill_left_open_to_all_is_closed_too(self, tmp_path: Path) -> None:
        path = tmp_path / "c.sqlite"
        with closing(Catalog(path)), closing(Catalog(path)):
            wal = tmp_path / "c.sqlite-wal"
            for file in (path, wal):
                file.chmod(0o644)
            with closing(Catalog(path)):
                assert {p.stat().st_mode & 0o777 for p in (path, wal)} == {0o600}


class TestTransactions:
    def test_all_or_nothing(self, catalog: Catalog) -> None:
        with pytest.raises(RuntimeError):
            half_done(catalog, RuntimeError())
        assert catalog.settings.get("half") is None

    def test_an_inner_block_is_undone_alone(self, catalog: Catalog) -> None:
        with catalog.transaction():
            catalog.settings.set("outer", 1)
            with pytest.raises(RuntimeError):
                half_done(catalog, RuntimeError())
            assert catalog.settings.get("half") is None
            assert catalog.settings.get("outer") == 1
        assert catalog.settings.get("outer") == 1

    def test_a_reader_sees_only_what_is_durable(self, catalog: Catalog) -> None:
        catalog.settings.set("n", 1)
        seen: list[object] = []

        def look() -> None:
            seen.append(catalog.settings.get("n"))

        with catalog.transaction():
            catalog.settings.set("n", 2)
            other = threading.Thread(target=look)
            other.start()
            other.join(timeout=5)
        look()
        assert seen == [1, 2]

    def test_one_read_sees_one_state(self, catalog: Catalog) -> None:
        catalog.settings.set("n", 1)
        query = text("SELECT value FROM settings WHERE name = 'n'")
        with catalog.store.read() as connection:
            before = connection.execute(query).scalar()
            writer = threading.Thread(target=catalog.settings.set, args=("n", 2))
            writer.start()
            writer.join(timeout=5)
            assert connection.execute(query).scalar() == before == "1"
        assert catalog.settings.get("n") == 2

    def test_writers_take_turns(self, catalog: Catalog) -> None:
        def work() -> None:
            for _ in range(5):
                with catalog.transaction():
                    catalog.settings.set("n", catalog.settings.get("n", 0) + 1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
        assert catalog.settings.get("n") == 20

    def test_who_waits_for_a_commit_is_told_after_it(self, catalog: Catalog) -> None:
        told: list[object] = []
        with catalog.store.write():
            catalog.settings.set("n", 7)
            catalog.store.after_commit(lambda: told.append(catalog.settings.get("n")))
            assert told == []
        assert told == [7]

        def undone() -> None:
            with catalog.store.write():
                catalog.store.after_commit(lambda: told.append("never"))
                raise RuntimeError

        with pytest.raises(RuntimeError):
            undone()
        catalog.settings.set("n", 8)
        assert told == [7]


class TestOpening:
    def test_read_only_beside_the_owner(self, tmp_path: Path) -> None:
        path = tmp_path / "c.sqlite"
        with Catalog(path) as owner, Catalog(path, read_only=True) as other:
            owner.settings.set("n", 1)
            assert other.settings.get("n") == 1
            assert other.settings.project == owner.settings.project
            with pytest.raises(Refused, match="reading only"):
                other.settings.set("n", 2)

    def test_read_only_without_an_owner(self, tmp_path: Path) -> None:
        Catalog(tmp_path / "c.sqlite").close()
        with Catalog(tmp_path / "c.sqlite", read_only=True) as other:
            assert other.settings.project

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownName):
            Catalog(tmp_path / "c.sqlite", read_only=True)
        with pytest.raises(UnknownName):
            Catalog(tmp_path / "no" / "c.sqlite")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["a b.sqlite", "100%.sqlite", "what?.sqlite", "#1.sqlite"])
    def test_odd_names_of_files(self, tmp_path: Path, name: str) -> None:
        Catalog(tmp_path / name).close()
        Catalog(f"sqlite:///{tmp_path / 'url.sqlite'}").close()
        assert (tmp_path / name).stat().st_size > 0
        assert {p.name for p in tmp_path.iterdir()} == {name, "url.sqlite"}

    @pytest.mark.parametrize("url", ["mysql://me:secret@host/db", "sqlite://", "://", "x://[::"])
    def test_other_databases_are_refused(self, url: str) -> None:
        with pytest.raises(InputError) as caught:
            Catalog(url)
        assert "secret" not in str(caught.value)

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "c.sqlite"
        path.write_bytes(b"id,amount\n" * 500)
        with pytest.raises(Corrupt):
            Catalog(path)
        assert path.read_bytes() == b"id,amount\n" * 500

    def test_damage_is_found(self, tmp_path: Path) -> None:
        path = tmp_path / "c.sqlite"
        with Catalog(path) as catalog:
            for number in range(200):
                catalog.loads.begin(f"source {number}", "Payment")
            catalog.check()
        whole = path.read_bytes()
        found = 0
        for page in range(1, len(whole) // 4096):
            path.write_bytes(whole[: page * 4096] + bytes(64) + whole[page * 4096 + 64 :])
            try:
                with Catalog(path, read_only=True) as damaged:
                    damaged.check()
            except Corrupt:
                found += 1
        assert found == len(whole) // 4096 - 1


class TestErrors:
    def test_a_lock_of_another_process(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(databases, "BUSY_S", 0.01)
        with Catalog(tmp_path / "c.sqlite") as catalog:
            other = sqlite3.connect(tmp_path / "c.sqlite", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Busy, match="in use"):
                catalog.settings.set("n", 1)
            other.execute("ROLLBACK")
            other.close()
            catalog.settings.set("n", 1)
            assert catalog.settings.get("n") == 1

    def test_a_full_disk(self, tmp_path: Path) -> None:
        with Catalog(tmp_path / "c.sqlite") as catalog:
            with catalog.store._writer.connect() as connection:
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
                connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            with pytest.raises(Busy, match="full"):
                catalog.settings.set("n", "x" * 1_000_000)
            assert catalog.settings.get("n") is None
            catalog.check()

    @pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"bytes", {"a": object()}])
    def test_only_plain_data(self, catalog: Catalog, value: object) -> None:
        with pytest.raises(ContractError):
            catalog.settings.set("n", value)
        assert catalog.settings.get("n") is None

    def test_only_64_bits(self, catalog: Catalog) -> None:
        with pytest.raises(ContractError):
            catalog.loads.begin("s", "T", arrival=2**64)
        assert catalog.loads.recent() == []

    @pytest.mark.parametrize("value", ["", "\ud800", "\x00", "汇丰", "'; DROP TABLE loads; --"])
    def test_any_text_is_kept_or_refused(self, catalog: Catalog, value: str) -> None:
        catalog.settings.set("n", value)
        assert catalog.settings.get("n") == value
        try:
            kept = catalog.loads.begin(value, "T")
        except ContractError:
            assert value in ("\ud800", "\x00")
        else:
            assert catalog.loads.get(kept.id).source == value

    def test_the_platforms_own_errors_pass(self) -> None:
        with pytest.raises(Refused), translated():
            raise Refused("no")
        with pytest.raises(ZeroDivisionError), translated():
            _ = 1 // 0

    def test_what_is_unknown_is_referred_to(self, catalog: Catalog) -> None:
        with pytest.raises(Conflict):
            catalog.quality.drifted(99, "T", "a", "reported", "moved")
