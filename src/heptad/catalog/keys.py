# SPDX-License-Identifier: Apache-2.0
"""Where the records of API keys are kept, for `heptad.security.apikeys`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from heptad.catalog.schema import ApiKeyRow
from heptad.security.apikeys import KeyRecord
from heptad.standards.errors import UnknownName

if TYPE_CHECKING:
    from heptad.catalog.store import Store


class KeyStore:
    """Records of API keys; it satisfies the protocol `KeyRecords`.

    Attributes:
        changes: grows with every key that is issued or withdrawn here.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.changes = 0

    def add(self, record: KeyRecord) -> None:
        """Keep a new record, durably.

        Raises:
            Conflict: if its id is taken.
        """
        row = {name: getattr(record, name) for name in KeyRecord.__slots__}
        with self._store.write() as connection:
            connection.execute(insert(ApiKeyRow), row | {"purposes": sorted(record.purposes)})
        self.changes += 1

    def get(self, key_id: str) -> KeyRecord | None:
        """Return the record of that id, or None."""
        with self._store.read() as connection:
            row = connection.execute(_RECORDS.where(ApiKeyRow.id == key_id)).first()
        return None if row is None else _record(row)

    def all(self) -> list[KeyRecord]:
        """Return all records, the oldest first."""
        wanted = _RECORDS.order_by(ApiKeyRow.created, ApiKeyRow.id)
        with self._store.read() as connection:
            return [_record(row) for row in connection.execute(wanted)]

    def used(self, key_id: str, instant: int) -> None:
        """Note when a key was last used; opened for reading only, nothing is noted."""
        if not self._store.read_only:
            self._note(key_id, last_used=instant)

    def revoke(self, key_id: str, instant: int) -> None:
        """Note, durably, that a key was withdrawn."""
        self._note(key_id, revoked=instant)
        self.changes += 1

    def _note(self, key_id: str, **values: int) -> None:
        """Set instants of a record.

        Raises:
            UnknownName: if there is none of that id.
        """
        with self._store.write() as connection:
            changed = update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(**values)
            if connection.execute(changed).rowcount != 1:
                raise UnknownName("There is no API key of that id.", got=key_id)


_RECORDS = select(*(getattr(ApiKeyRow, name) for name in KeyRecord.__slots__))


def _record(row: Any) -> KeyRecord:
    """Build a record from its row."""
    values = dict(zip(KeyRecord.__slots__, row, strict=True))
    return KeyRecord(**values | {"purposes": frozenset(values["purposes"])})
