# SPDX-License-Identifier: Apache-2.0
"""Where people are reached: read when a message goes, under its purpose, and recorded as a read."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from heptad.engine.sql.identifiers import quote
from heptad.service.outbox.limits import PERSON, zones_of
from heptad.service.reads.asof import read_sql
from heptad.service.reads.reading import ERASED, shown
from heptad.standards.model import Customer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from heptad.security.keys import KeyStore
    from heptad.service.outbox.messages import Message
    from heptad.service.outbox.records import Records
    from heptad.service.reads.guard import Guard
    from heptad.service.reads.reads import Reads

FIELDS = {"email": "email", "sms": "phone"}
"""Channel → the field of Customer that holds its address."""
WHO, ROLE = "outbox", "app"
_HIDDEN = frozenset({"", "•••", ERASED})


class Found:
    """Addresses and countries of the persons of some messages."""

    def __init__(self) -> None:
        self.addresses: dict[tuple[str, str, str], str] = {}
        self.wanted: set[tuple[str, str, str]] = set()
        self.countries: dict[str, str] = {}

    def of(self, message: Message) -> str:
        """Return where a message goes; "" if nobody knows, or may know for its purpose."""
        return self.addresses.get((message.subject, message.channel, message.purpose), "")

    def asked(self, message: Message) -> bool:
        """Whether it was looked up where this message goes, found or not."""
        return (message.subject, message.channel, message.purpose) in self.wanted

    def zones(self, message: Message, default: str) -> tuple[str, ...]:
        """Return the time zones in one of which the person may be."""
        return zones_of(self.countries.get(message.subject, ""), default)


class Addresses:
    """Finds where people are reached.

    Args:
        reads: rows.
        guard: lets them be read for a purpose, and records it.
        keys: open them.
        records: know devices.
    """

    def __init__(self, reads: Reads, guard: Guard, keys: KeyStore, records: Records) -> None:
        self._reads, self._guard, self._keys, self._records = reads, guard, keys, records

    def find(self, messages: Sequence[Message]) -> Found:
        """Find the addresses of messages."""
        found = Found()
        by: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for message in messages:
            by[message.channel, message.purpose].append(message.subject)
        found.wanted = {(m.subject, m.channel, m.purpose) for m in messages}
        for (channel, purpose), subjects in by.items():
            people = list(dict.fromkeys(subjects))
            if channel in FIELDS:
                told = self._read(channel, purpose, people, found)
            elif channel in ("push", "webpush"):
                told = self._records.devices(people, channel)
            else:
                told = {person: person for person in people}
            for person, address in told.items():
                found.addresses[person, channel, purpose] = address
        return found

    def _read(
        self, channel: str, purpose: str, people: Sequence[str], found: Found
    ) -> dict[str, str]:
        """Read a field of Customer for a purpose; the read is recorded."""
        field, keys = FIELDS[channel], [p.removeprefix(PERSON) for p in people]
        wanted = pa.table({"wanted_key": pa.array(keys, pa.string())})
        with self._guard.reading("send", who=WHO, role=ROLE, purpose=purpose) as access:
            now = access.now
            names = ["id", field, "country"]
            stored = self._reads.under(access).stored(Customer)
            sql = read_sql(Customer, stored.relation, t=now, k=now, columns=names)
            key = quote("id")
            rows = self._reads.queries.arrow(
                f"SELECT * FROM ({sql}) r WHERE EXISTS "
                f"(SELECT 1 FROM wanted WHERE wanted_key = r.{key})",
                wanted=wanted,
            )
            seen = shown(Customer, rows, access, self._keys)
        told: dict[str, str] = {}
        for row in seen.to_pylist():
            person = f"{PERSON}{row['id']}"
            found.countries[person] = row["country"] or ""
            if _is_address(row[field]):
                told[person] = row[field]
        return told


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value not in _HIDDEN and not any(c < " " for c in value)
