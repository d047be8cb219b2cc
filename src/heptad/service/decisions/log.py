# SPDX-License-Identifier: Apache-2.0
"""The decision log: the ledger that holds decisions, and the index that finds them."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from heptad.catalog.keyset import KeySet
from heptad.security.keys import gone
from heptad.service.decisions.records import Opened, open_records, pack, public_of
from heptad.standards.errors import Corrupt, Refused
from heptad.standards.locks import is_free

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from heptad.catalog import Catalog
    from heptad.catalog.decisions import Entry
    from heptad.security.keys import KeyStore
    from heptad.security.ledger import Ledger
    from heptad.service.decisions.decision import Decision

BATCH = 512
"""Records of one append, which share one sync."""
FLOOR = "log_floor"


class DecisionLog:
    """Records decisions once, durably, and reads them back.

    The ledger is the truth; the index is rebuilt from it whenever it is behind.

    Args:
        ledger: holds the decisions.
        catalog: holds their index.
        keys: seal and open them.
        mended: opens the ledger again after the disk refused an append to it.

    Attributes:
        landed: called before decisions are indexed, so that the versions that they name are there.
    """

    def __init__(
        self,
        ledger: Ledger,
        catalog: Catalog,
        keys: KeyStore,
        mended: Callable[[], Ledger] | None = None,
    ) -> None:
        self._mended = mended or (lambda: ledger)
        self.ledger, self.index = ledger, catalog.decisions
        self._settings, self._versions, self._keys = catalog.settings, catalog.versions, keys
        self._lock, self._torn = threading.RLock(), False
        self._settling = threading.RLock()
        self._behind: list[tuple[Entry, Mapping[str, int]]] = []
        self.landed: Callable[[], None] = lambda: None
        self._ids: KeySet | None = None
        self.index.behind = self.settle
        self._catch_up()

    def __len__(self) -> int:
        return len(self.ledger)

    def record(self, decisions: Sequence[Decision]) -> list[Opened]:
        """Append the decisions that are not in the log yet; durable when it returns.

        A decision about an erased person is not recorded: nothing can be sealed for them.

        Returns:
            The decisions as the log holds them, in the order given: for an id that was there
            before, the first one.

        Raises:
            Conflict: if an id was used before for a decision about another row.
        """
        with self._recording():
            return self._record(decisions)

    def record_at_once(self, decisions: Sequence[Decision]) -> list[Opened] | None:
        """Append new decisions, durable when it returns; the index follows within a second.

        Returns:
            The decisions; None if `record` has to take them, because one is perhaps not new, or
            is about an erased person. Nothing is recorded then.
        """
        with self._recording():
            return self._at_once(decisions)

    @property
    def free(self) -> bool:
        """Whether whoever records now need not wait for another who does."""
        return is_free(self._lock)

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Let one thread record, in a ledger that the disk has not refused."""
        with self._lock:
            if self._torn:
                self.ledger, self._ids = self._mended(), None
                self._catch_up()
                self._torn = False
            try:
                yield
            except BaseException:
                # The ledger may hold what the index lacks.
                self._torn = True
                raise

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no decision be recorded in the block."""
        with self._lock:
            self.settle()
            yield

    def settle(self) -> None:
        """Let the index hold all that the log holds, once the rows decided on are stored."""
        if not self._behind:
            return
        with self._settling:
            behind = self._behind[:]
            if not behind:
                return
            self.landed()
            self._keep((e.app, tables) for e, tables in behind)
            self.index.insert([e for e, _ in behind])
            self._settings.raise_to(FLOOR, behind[-1][0].place + 1)
            del self._behind[: len(behind)]

    def ready(self) -> None:
        """Know the ids of all decisions, so that new ones can be recorded at once."""
        with self._lock:
            if self._ids is None:
                ids = KeySet()
                for part in self.index.ids():
                    ids.fill(part)
                self._ids = ids

    def answered(self, name: str, body: str) -> Opened | None:
        """Return the decision that answered a request before, or None.

        Args:
            name: the idempotency key.
            body: hash of the request's body, hexadecimal.

        Raises:
            Conflict: if the key was used for another request.
        """
        self.index.asked({name: bytes.fromhex(body)})
        return self.stored([name]).get(name)

    def met(self, name: str) -> bool:
        """Tell whether an id may have been used before; surely not, if it says so."""
        self.ready()
        assert self._ids is not None  # noqa: S101 - they were just read
        return self._ids.known([name])[0]

    def _at_once(self, decisions: Sequence[Decision]) -> list[Opened] | None:
        """Append new decisions without reading or writing the index; None if that cannot be."""
        self.ready()
        assert self._ids is not None  # noqa: S101 - they were just read
        names = [d.id for d in decisions]
        if any(self._ids.known(names)) or len({*names}) < len(names):
            return None
        public = [d.public() for d in decisions]
        try:
            records = pack(decisions, self._keys, public)
        except Refused:
            return None
        for start in range(0, len(records), BATCH):
            places = self.ledger.add(records[start : start + BATCH])
            made = zip(places, decisions[start:], public[start:], strict=False)
            # All of an append at once: what is known is never a part of one.
            self._behind += [
                (entry(n, said, d.subject, body_of(d)), d.tables) for n, d, said in made
            ]
        self._ids.add(names)
        return [Opened(d.subject, p, d) for d, p in zip(decisions, public, strict=True)]

    def _record(self, decisions: Sequence[Decision]) -> list[Opened]:
        """Append what is not in the log; one thread at a time, so that none is there twice."""
        self.settle()
        asked = {d.id: body_of(d) for d in decisions}
        known = self.index.asked(asked)
        fresh = [d for d in {d.id: d for d in decisions}.values() if d.id not in known]
        erased = gone(self._keys, {d.subject for d in fresh})
        fresh = [d for d in fresh if d.subject not in erased]
        todo, entries = iter(fresh), []
        while batch := list(islice(todo, BATCH)):
            places = self.ledger.add(pack(batch, self._keys))
            entries += [
                entry(place, d.public(), d.subject, asked[d.id])
                for place, d in zip(places, batch, strict=True)
            ]
        if fresh:
            if self._ids is not None:
                self._ids.add([d.id for d in fresh])
            self._keep((d.app, d.tables) for d in fresh)
            self.index.insert(entries)
            self._settings.raise_to(FLOOR, len(self.ledger))
        found = self.stored(known)
        for d in fresh:
            found[d.id] = Opened(d.subject, d.public(), d)
        return [found[d.id] for d in decisions if d.id in found]

    def stored(self, ids: Iterable[str]) -> dict[str, Opened]:
        """Return those decisions, by id, that the log holds."""
        entries = self.index.known(ids)
        records = [self.ledger.read(e.place) for e in entries.values()]
        return dict(zip(entries, open_records(records, self._keys), strict=True))

    def check_index(self) -> int:
        """Compare the index with what the log says of each decision; return how many there are.

        Raises:
            Corrupt: if an entry of the index is another, or missing.
        """
        records, place = self.ledger.iterate(0, len(self.ledger)), 0
        while batch := list(islice(records, BATCH)):
            said = [public_of(record) for record in batch]
            known = self.index.known([public["id"] for _, public in said])
            for subject, public in said:
                if known.get(public["id"]) != entry(place, public, subject, body_of(public)):
                    raise Corrupt(
                        "The index of decisions is not what the log says.",
                        got=public["id"],
                        do="restore catalog.sqlite from a backup",
                    )
                place += 1
        return place

    def get(self, name: str) -> Opened:
        """Return one decision.

        Raises:
            UnknownName: if the log has none of that id.
        """
        (opened,) = open_records([self.ledger.read(self.index.get(name).place)], self._keys)
        return opened

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Opened]:
        """Yield decisions in the order in which they were made."""
        records = self.ledger.iterate(start, stop)
        while batch := list(islice(records, BATCH)):
            yield from open_records(batch, self._keys)

    def _keep(self, named: Iterable[tuple[str, Mapping[str, int]]]) -> None:
        """Keep the table versions that decisions of applications name from being removed by retention."""
        each = {(app, tuple(sorted(tables.items()))) for app, tables in named}
        for app, tables in sorted(each):
            self._versions.pin(dict(tables), f"app:{app}")

    def _catch_up(self) -> None:
        """Index what the ledger holds beyond the index, for example after a kill."""
        behind = self.index.size()
        if behind >= len(self.ledger):
            return
        records = self.ledger.iterate(behind)
        place = behind
        while batch := list(islice(records, BATCH)):
            opened = open_records(batch, self._keys)
            entries = [
                entry(place + n, o.public, o.subject, body_of(o.decision or o.public))
                for n, o in enumerate(opened)
            ]
            self._keep((o.decision.app, o.decision.tables) for o in opened if o.decision)
            self.index.insert(entries)
            place += len(batch)
        self._settings.raise_to(FLOOR, len(self.ledger))


def entry(place: int, public: Any, subject: str, body: bytes) -> Entry:
    """Return what the index keeps of a record."""
    from heptad.catalog.decisions import Entry

    return Entry(
        place=place,
        id=public["id"],
        app=public["app"],
        subject=subject,
        event_time=public["event_time"],
        outcome=public["outcome"],
        body=body,
    )


def body_of(decision: Any) -> bytes:
    """Return a hash of the request that asked for a decision.

    A redelivered request has the same; another request under the same id does not. Where the
    caller gave no id, it is a hash of the application, the row and its instant.
    """
    read: Callable[[str], Any] = (
        decision.get if isinstance(decision, dict) else lambda n: getattr(decision, n, None)
    )
    if given := read("request"):
        return bytes.fromhex(given)
    parts = [read("app"), read("on"), read("row_key"), read("event_time")]
    return hashlib.sha256(msgspec.json.encode(parts)).digest()
