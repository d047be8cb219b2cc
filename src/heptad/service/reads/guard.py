# SPDX-License-Identifier: Apache-2.0
"""The one way to rows about persons: decided once per query, narrowed in its plan, recorded."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypedDict

import pyarrow as pa
import pyarrow.compute as pc

from heptad.security.access import MOST_TAGS, Read
from heptad.security.purposes import (
    PURPOSES,
    REVIEWS,
    ground_of,
    permitted,
    require,
)
from heptad.security.sealing import subject_names
from heptad.standards.errors import Refused
from heptad.standards.model import Consent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from heptad.security.access import AccessLog
    from heptad.security.purposes import Ground, Purpose
    from heptad.service.app import App
    from heptad.service.batch.windows import Stored
    from heptad.service.decisions.records import Opened
    from heptad.service.features import Feature
    from heptad.service.reads.standing import Standing, Standings
    from heptad.standards import Field, Table

BATCH = 512
PERSON = Consent.subject_type()
"""What persons are named by who can give and withdraw consents."""
APPLICATION = "app"
"""The role in which an application decides and learns."""


_current: ContextVar[Access | None] = ContextVar("heptad_access", default=None)


class Reader(TypedDict, total=False):
    """Who reads and why; what is not said is the platform's own.

    Attributes:
        purpose: why; "" to see personal values masked.
        role: in which role.
        who: the account that reads, as the access log names it.
    """

    purpose: str | None
    role: str
    who: str


class Guard:
    """Lets reads happen, as far as role, purpose and basis allow, and records them.

    Args:
        log: where reads are recorded.
        standings: who gave or withdrew a consent, or objected.
        arrival: tells when rows last came: a consent withdrawn by then stays withdrawn, though
            the clock was set back.
        purposes: the purposes as declared.
    """

    def __init__(
        self,
        log: AccessLog,
        standings: Standings,
        arrival: Callable[[], int],
        purposes: Mapping[str, Purpose] = PURPOSES,
    ) -> None:
        self.log, self.standings, self.purposes = log, standings, purposes
        self._arrival = arrival

    @contextmanager
    def reading(
        self, action: str, *, who: str, role: str, purpose: str, **asked: Any
    ) -> Iterator[Access]:
        """Let one read happen; its record is durable when the block is left, however that is left.

        Args:
            action: what is done, in one word.
            who: the key or account that reads.
            role: in which role.
            purpose: why; "" to see personal values masked.
            **asked: what is asked, plain values; sealed in the record.

        Raises:
            Refused: if role, purpose or basis do not allow it; that is recorded too.
            Busy: if the record cannot be made durable.
        """
        detail = {name: value for name, value in asked.items() if value not in (None, "", [])}
        read = Read(action, who, role, purpose, detail=detail)
        try:
            if purpose:
                require(role, purpose)
            access = Access(self, read)
            token = _current.set(access)
            try:
                yield access
            finally:
                _current.reset(token)
        except Refused as error:
            read.rows, read.refused = 0, error.what
            self.log.record(read)
            raise
        except BaseException as error:
            # That it failed tells about what it had read by then.
            if read.grounds or read.columns or read.people:
                read.detail["failed"] = type(error).__name__
                self.log.record(read)
            raise
        self.log.record(read)

    @contextmanager
    def computing(
        self, action: str, features: Sequence[Feature], *, who: str, role: str, purpose: str
    ) -> Iterator[Access]:
        """Let features be read; see `reading`.

        Raises:
            Refused: if no purpose is stated, or the role may not act for it.
        """
        with self.reading(action, who=who, role=role, purpose=purpose) as access:
            if not purpose:
                raise Refused("Features are read for a purpose.", do="state one")
            access.read.columns["features"] = [feature.name for feature in features]
            yield access

    @property
    def current(self) -> Access | None:
        """The read that goes on now in this thread, if one does."""
        access = _current.get()
        return access if access is not None and access.of is self else None

    def refused(self, action: str, *, who: str, role: str, purpose: str, why: str) -> None:
        """Record that somebody was turned away before anything was read."""
        self.log.record(Read(action, who, role, purpose, refused=why))

    def deciding(self, app: App, at: int | None = None, version: int | None = None) -> Access:
        """Return the access of an application that decides; the decisions are its records.

        Args:
            app: the application.
            at: when it decides or decided, microseconds; now by default.
            version: of the consents known then; the last one by default.

        Raises:
            Refused: if applications may not act for its purpose.
        """
        require(APPLICATION, app.purpose)
        read = Read("decide", f"app:{app.name}", APPLICATION, app.purpose)
        return Access(self, read, at, version)

    def consents(self, app: App) -> dict[str, int]:
        """Return the version of the consents, if an application's reads rest on some."""
        access = self.deciding(app, at=0)
        if not any(access.ground(table).withdrawable for table in app.used_tables()):
            return {}
        return {Consent.__name__: self.standings.version()}

    def now(self) -> int:
        """The present, microseconds; it does not step back behind what was read or came before."""
        return max(self.log.now(), self._arrival())


class Access:
    """One read that was let happen.

    Args:
        guard: what let it.
        read: what is recorded of it.
        now: the instant at which consents must stand, microseconds; the present by default.
        version: of the consents; the last one by default.
    """

    def __init__(
        self, guard: Guard, read: Read, now: int | None = None, version: int | None = None
    ) -> None:
        self.read, self._now, self._version, self.of = read, now, version, guard
        self._grounds: dict[type[Table], Ground] = {}

    @property
    def now(self) -> int:
        """The one instant at which all consents of this read must stand, microseconds."""
        if self._now is None:
            self._now = self.of.now()
        return self._now

    def ground(self, table: type[Table]) -> Ground:
        """Decide on which ground a table is read, once.

        Raises:
            Refused: if the purpose does not cover it.
        """
        if table not in self._grounds:
            read = self.read
            found = ground_of(read.role, read.purpose, table, self.of.purposes)
            self._grounds[table], read.grounds[table.__name__] = found, found.basis
        return self._grounds[table]

    def narrowed(self, table: type[Table], stored: Stored) -> Stored:
        """Leave out the rows of those who have no basis for this purpose, in the query's plan.

        Raises:
            Refused: if the purpose does not cover the table.
        """
        if not self.ground(table).withdrawable or table.subject is None:
            return stored
        standing = self._standing(table)
        if standing is None:
            return stored
        return replace(
            stored,
            relation=f"(SELECT * FROM {stored.relation} WHERE {standing.where(table, stored)})",
        )

    def opens(self, field: Field) -> bool:
        """Whether values of a field may be seen; the rows without a basis are out already."""
        return bool(self.read.purpose) and permitted(self.read.role, self.read.purpose, field)

    def answered(self, table: type[Table], rows: pa.Table) -> None:
        """Note what is answered: columns, rows and whom they are about."""
        read = self.read
        before = read.columns.get(table.__name__, ())
        read.columns[table.__name__] = list(dict.fromkeys([*before, *rows.column_names]))
        read.rows += rows.num_rows
        subject = table.subject
        if subject is not None and subject.name in rows.column_names:
            self.about(subject_names(table, rows.column(subject.name)))

    def about(self, people: pa.Array | Iterable[str]) -> None:
        """Note whom the answer is about, as the key store names them."""
        found = people if isinstance(people, pa.Array) else pa.array(list(people), pa.string())
        distinct = found.drop_null().unique()
        if len(distinct) > MOST_TAGS:
            self.read.many = max(self.read.many, len(distinct))
        else:
            self.read.people.update(distinct.to_pylist())

    def decisions(self, app: App, entries: Sequence[Opened]) -> list[Opened]:
        """Return those decisions of an application that may be read, and note them.

        Raises:
            Refused: if they are read neither for its purpose nor for a review.
        """
        self.reviews(app)
        seen = list(entries)
        if self.ground(app.on).withdrawable:
            stands = self._stands(app.on, [e.subject for e in entries])
            seen = [e for e in entries if e.subject in stands]
        self.read.rows += len(seen)
        self.about({e.subject for e in seen})
        return seen

    def reviewed(self, apps: Mapping[str, App], entries: Sequence[Opened]) -> list[Opened]:
        """Return those decisions, of any applications, that may be read; see `decisions`."""
        seen: set[str] = set()
        for name in dict.fromkeys(str(e.public["app"]) for e in entries):
            own = [e for e in entries if e.public["app"] == name]
            if name in apps:
                own = self.decisions(apps[name], own)
            elif self.read.purpose not in REVIEWS:
                own = []
            seen.update(str(e.public["id"]) for e in own)
        return [e for e in entries if e.public["id"] in seen]

    def each_reviewed(self, apps: Mapping[str, App], entries: Iterable[Opened]) -> Iterator[Opened]:
        """Yield those decisions that may be read, batch by batch; see `reviewed`."""
        rest = iter(entries)
        while batch := list(islice(rest, BATCH)):
            yield from self.reviewed(apps, batch)

    def asks(self, spine: pa.Table) -> None:
        """Note about whom a spine asks: its columns `Customer` and `customer`."""
        self.read.rows += spine.num_rows
        for name in {PERSON, PERSON.lower()} & {*spine.column_names}:
            keys = spine.column(name).combine_chunks().cast(pa.string())
            self.about(pc.binary_join_element_wise(pa.scalar(PERSON), keys, pa.scalar(":")))

    def review(self) -> None:
        """Check that this is read for a review.

        Raises:
            Refused: if it is not.
        """
        if self.read.purpose not in REVIEWS:
            raise Refused(
                "Who read what is shown for a review only.",
                got=self.read.purpose or "no purpose",
                do=f"state the purpose {' or '.join(REVIEWS)}",
            )

    def reviews(self, app: App) -> None:
        """Check that an application's decisions may be read for this purpose.

        Raises:
            Refused: if they may not.
        """
        if self.read.purpose not in (app.purpose, *REVIEWS):
            raise Refused(
                f"The decisions of {app.name} are read for the purpose {app.purpose!r}, "
                f"or to review them.",
                got=self.read.purpose or "no purpose",
                do=f"state the purpose {', '.join(sorted({app.purpose, *REVIEWS}))}",
            )

    def _standing(self, table: type[Table]) -> Standing | None:
        """Return who stands for a table; None if nobody about whom it is can end the basis."""
        ground = self._grounds[table]
        if table.subject_type() != PERSON and ground.basis != "consent":
            return None
        assert ground.basis  # noqa: S101 - it is one that ends
        return self.of.standings.at(
            self.read.purpose, ground.group, ground.basis, self.now, self._version
        )

    def _stands(self, table: type[Table], people: Sequence[str]) -> set[str]:
        """Return those of few persons whose rows of a table may be read."""
        standing, prefix = self._standing(table), f"{table.subject_type()}:"
        if standing is None:
            return set(people)
        listed = self.of.standings.listed(standing, [p.removeprefix(prefix) for p in people])
        return {p for p in people if (p.removeprefix(prefix) in listed) is standing.among}


def purpose_of(apps: Mapping[str, App], entries: Iterable[Opened]) -> str:
    """Return the purpose of the applications that decided; "" if they have several or none."""
    own = {apps[n].purpose for e in entries if (n := str(e.public["app"])) in apps}
    return own.pop() if len(own) == 1 else ""


def as_application(app: App, reader: Reader) -> Reader:
    """Say for an application what a reader has not said: its purpose, and its role."""
    purpose = reader.get("purpose")
    why = app.purpose if purpose is None else purpose
    return {"purpose": why, "role": reader.get("role") or APPLICATION, "who": reader.get("who", "")}
