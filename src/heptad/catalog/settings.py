# SPDX-License-Identifier: Apache-2.0
"""Settings: the few small values that a project keeps about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import bindparam, select

from heptad.catalog.inserts import upsert
from heptad.catalog.schema import SettingRow
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from heptad.catalog.store import Store

PROJECT, CREATED, VERSION, LOG_FLOOR = "project", "created", "created_version", "log_floor"
_ONE = select(SettingRow.value).where(SettingRow.name == bindparam("of"))


class Settings:
    """Values by name, plain data."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or `default` if it was never set."""
        with self._store.read() as connection:
            row = connection.execute(_ONE, {"of": name}).first()
        return default if row is None else row[0]

    def set(self, name: str, value: Any) -> None:
        """Keep a value under a name, in place of the one before.

        Raises:
            ContractError: if it is not plain data.
        """
        with self._store.write() as connection:
            upsert(connection, SettingRow, [{"name": name, "value": value}], update=("value",))

    def all(self) -> dict[str, Any]:
        """Return all values by name."""
        with self._store.read() as connection:
            wanted = select(SettingRow.name, SettingRow.value).order_by(SettingRow.name)
            rows = connection.execute(wanted)
            return {row.name: row.value for row in rows}

    def raise_to(self, name: str, value: int) -> int:
        """Raise a number that never falls, and return it.

        Raises:
            ContractError: if the value is not a whole number.
        """
        if isinstance(value, bool) or not isinstance(value, int):
            raise ContractError(f"The setting {name} must be a whole number.", got=value)
        with self._store.write():
            kept = max(value, self.get(name, value))
            self.set(name, kept)
        return int(kept)

    @property
    def log_floor(self) -> int:
        """Entries of the decision log that were acknowledged: it may not be shorter."""
        return int(self.get(LOG_FLOOR, 0))

    @property
    def project(self) -> str:
        """The project's id, given when its catalog was made."""
        return str(self.get(PROJECT, ""))

    def begin(self, version: str) -> None:
        """Name a new project; an existing one keeps its name.

        Args:
            version: of the program that makes it.
        """
        with self._store.write():
            if self.get(PROJECT) is None:
                self.set(PROJECT, uuid4().hex)
                self.set(CREATED, self._store.clock.now())
                self.set(VERSION, version)
