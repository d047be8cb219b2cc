# SPDX-License-Identifier: Apache-2.0
"""Erasing persons: begun durably, carried through every store, gone on with after a kill."""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from heptad.catalog.erasures import check_reason
from heptad.security.access import Read
from heptad.security.erasure import Person, is_genuine, signed, uncovered
from heptad.security.keys import gone
from heptad.service.cases.evidence import CasesHolder
from heptad.service.flows.shadow import ShadowsHolder
from heptad.service.outbox.records import MessagesHolder
from heptad.service.subjects.holders import (
    AccessHolder,
    CatalogHolder,
    IntakeHolder,
    KeysHolder,
    LogHolder,
    ModelsHolder,
    RowsHolder,
    SourcesHolder,
    TablesHolder,
    WorkHolder,
)
from heptad.service.subjects.refused import QuarantineHolder
from heptad.standards.errors import (
    Conflict,
    ContractError,
    HeptadError,
    Refused,
    UnknownName,
    suggest,
)
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from heptad.catalog import Catalog
    from heptad.catalog.erasures import Erasure, Hold
    from heptad.catalog.loading import Loading
    from heptad.security.access import AccessLog
    from heptad.security.erasure import Holder
    from heptad.security.keys import Keys
    from heptad.service.decisions.log import DecisionLog
    from heptad.service.reads.reads import Reads
    from heptad.service.stores import Stores

    Values = Callable[[str, str], frozenset[str]]

_LOG = logging.getLogger("heptad.erasing")
PURPOSE = "legal"
"""Why persons are erased, as the access log says it."""


class Erasing:
    """Erases persons from a project.

    The order makes it safe to be killed anywhere. First the catalog notes, durably, that the
    person is being erased. Then every store lets go of what is theirs, the key store last: as
    long as the key is there, refused rows can still be told to be theirs. Each step may be done
    twice, and opening a project goes on with what was begun.

    Args:
        folder: of the project.
        holders: the stores, in the order in which they let go; the key store is the last.
        values: returns the personal texts held of (type, key).
        catalog: records erasures and holds.
        keys: whose key signs the receipts.
        loading: stands still meanwhile.
        log: the decision log, which does so too.
        access: where it is recorded who erased whom.
        types: the tables whose rows are persons.
    """

    def __init__(  # noqa: PLR0913 - what takes part, by name
        self,
        folder: Path,
        *,
        holders: Sequence[Holder],
        values: Values,
        catalog: Catalog,
        keys: Keys,
        loading: Loading,
        log: DecisionLog,
        access: AccessLog,
        types: Sequence[str],
    ) -> None:
        self._folder, self.holders, self._values = folder, tuple(holders), values
        self._records, self._clock = catalog.erasures, catalog.store.clock
        self._keys, self._loading, self._log, self._access = keys, loading, log, access
        self.types = tuple(types)
        self._lock = threading.Lock()

    def erase(self, names: Sequence[str], reason: str, *, who: str, role: str) -> list[Erasure]:
        """Erase persons, all with one new epoch of the keys.

        Args:
            names: `Customer:42`, or `42` where there is one kind of person.
            reason: why, in words that do not name the person.
            who: who asks.
            role: in which role.

        Returns:
            The erasures, done, in the order of the names; a person who was erased before and has
            not come back answers that erasure again.

        Raises:
            Refused: if a legal hold binds; the error says until when. Nobody is erased then.
            UnknownName: if nothing is held under one of the names.
            ContractError: if the reason is empty or quotes the person.
        """
        with self._lock:
            people = [self.person(name) for name in dict.fromkeys(names)]
            self._check_reason(reason, people)
            open_ = [p for p in people if not self._done(p)]
            for person in open_:
                self._require_known(person)
            if open_:
                self._begin([p.subject for p in open_], reason, who, role)
            return [self._records.of(person.subject)[-1] for person in people]

    def recover(self) -> None:
        """Go on with what a kill cut off; what cannot be done now stays begun."""
        begun = self._records.unfinished()
        if not begun:
            return
        try:
            with self._lock:
                self._carry_out(begun)
        except HeptadError as error:
            _LOG.warning("%d erasures were begun and not ended: %s", len(begun), error.what)

    def hold(self, name: str, until: int, reason: str, *, who: str, role: str) -> Hold:
        """Declare a legal hold: until it ends, or is released, the person is not erased.

        Raises:
            ContractError: if it would be over from the start, or has no reason.
            Conflict: if the person is being erased.
            UnknownName: if nothing is held under the name: a hold on a name that was mistyped
                would protect nobody.
        """
        person = self.person(name)
        self._check_reason(reason, [person])
        with self._lock:
            self._require_known(person)
            self._record("hold", [person.subject], who, role)
            return self._records.hold(person.subject, until, reason, who)

    def release(self, name: str, reason: str, *, who: str, role: str) -> list[Hold]:
        """Release the holds that bind a person now.

        Raises:
            UnknownName: if none does.
        """
        person = self.person(name)
        self._check_reason(reason, [person])
        now = self._clock.now()
        if not any(hold.binds(now) for hold in self._records.holds(person.subject)):
            raise UnknownName(
                f"No legal hold binds {person.subject}.",
                got=name,
                do=f"see `heptad subject show {person.subject}`",
            )
        self._record("release", [person.subject], who, role)
        return self._records.release(person.subject, reason, who)

    def revive(self, name: str, reason: str, *, who: str, role: str) -> str:
        """Let a person who was erased come back, under a new key.

        What was sealed before stays unreadable. Rows that were refused meanwhile can be tried
        again, and the person can be erased again.

        Returns:
            Whom, as the key store names them.

        Raises:
            Conflict: if the person is not erased.
            ContractError: if the reason is empty.
        """
        person = self.person(name)
        check_reason(reason)
        with self._lock:
            if not gone(self._keys, [person.subject]):
                raise Conflict(
                    f"{person.subject} is not erased.",
                    got=name,
                    do=f"see `heptad subject show {person.subject}`",
                )
            self._record("revive", [person.subject], who, role)
            self._keys.of([person.subject], revive=True)
        return person.subject

    def show(self, name: str) -> dict[str, Any]:
        """Say what is held of a person, without a value of it, and what became of them."""
        person = self.person(name)
        erasures = self._records.of(person.subject)
        known = self._known(person)
        held = [asdict(h) for holder in self.holders for h in holder.held(known)]
        now = self._clock.now()
        return {
            "subject": person.subject,
            "state": self._state(person, erasures, bool(held)),
            "erased": _instant(self._keys.erased(person.subject)),
            "held": held,
            "holds": [
                _hold(h) | {"binds": h.binds(now)} for h in self._records.holds(known.subject)
            ],
            "erasures": [self._told(e) for e in erasures],
        }

    def left(self, name: str) -> list[dict[str, Any]]:
        """Say what the institution itself still holds of a person, beside the stores."""
        person = self.person(name)
        others = [holder for holder in self.holders if not holder.lets_go]
        found = [asdict(h) for holder in others for h in holder.held(person)]
        return [one for one in found if one["fate"] == "yours"]

    def values(self, kind: str, key: str) -> frozenset[str]:
        """Return the personal texts held of a person; none once they are erased."""
        return self._values(kind, key)

    def uncovered(self) -> list[str]:
        """Return files of the project folder that no store answers for."""
        return uncovered(self._folder, self.holders)

    def person(self, name: str) -> Person:
        """Read the name of a person.

        Raises:
            UnknownName: if it says no kind of person that there is.
            ContractError: if the key is empty.
        """
        kind, mark, key = name.partition(":")
        if kind not in self.types or not mark:
            if len(self.types) != 1 and "Customer" not in self.types:
                raise UnknownName(
                    "Say what kind of person this is.", got=name, do=suggest(kind, self.types)
                )
            kind, key = ("Customer" if "Customer" in self.types else self.types[0]), name
        if not key.strip():
            raise ContractError("The key of a person is not empty.", got=name, do="Customer:42")
        return Person(kind, key)

    def _begin(self, subjects: list[str], reason: str, who: str, role: str) -> None:
        """Record who asks, refused or not, before anything is done; then erase."""
        try:
            self._records.permit(subjects)
        except Refused as error:
            self._record("erase", subjects, who, role, refused=error.what)
            raise
        self._record("erase", subjects, who, role)
        self._carry_out(self._records.begin(subjects, reason, who))

    def _carry_out(self, begun: Sequence[Erasure]) -> None:
        """Let every store let go; loads and new decisions wait."""
        with self._loading.paused(), self._log.paused():
            people = [self._known(self.person(e.subject)) for e in begun]
            closing = [holder for holder in self.holders if holder.lets_go]
            before = {p.subject: [h for x in closing for h in x.held(p)] for p in people}
            removed = {holder.name: holder.erase(people) for holder in self.holders}
            ended = self._clock.now()
            receipts = {
                e.id: self._receipt(e, ended, before[e.subject], removed, len(begun)) for e in begun
            }
            self._records.finish(receipts, ended)

    def _receipt(
        self,
        erasure: Erasure,
        ended: int,
        held: Sequence[Any],
        removed: dict[str, int],
        together: int,
    ) -> dict[str, Any]:
        """Say what was done, in words and numbers that say nothing of the person; signed."""
        said = {
            "subject": erasure.subject,
            "asked": format_instant(erasure.asked),
            "ended": format_instant(ended),
            "reason": erasure.reason,
            "who": erasure.who,
            "epoch": self._keys.epoch,
            "held": [asdict(h) for h in held],
            "removed": removed,
            "together": together,
        }
        return signed(said, self._keys.signing_key())

    def _known(self, person: Person) -> Person:
        """Return a person with the personal texts that their key still opens."""
        return replace(person, values=self._values(person.type, person.key))

    def _done(self, person: Person) -> bool:
        """Whether the person was erased, and nothing was sealed for them since."""
        past = self._records.of(person.subject)
        (key,) = self._keys.of([person.subject], create=False)
        return key is None and bool(past) and past[-1].status == "erased"

    def _check_reason(self, reason: str, people: Sequence[Person]) -> None:
        """Refuse no reason, and one that quotes a person: it outlives their erasure."""
        check_reason(reason)
        if any(self._known(person).said_in(reason) for person in people):
            raise ContractError(
                "The reason names the person, and it is kept.", do="say it in other words"
            )

    def _require_known(self, person: Person) -> None:
        if self._keys.erasures([person.subject]) or self._records.of(person.subject):
            return
        known = self._known(person)
        if not any(holder.held(known) for holder in self.holders):
            raise UnknownName(
                f"Nothing is held of {person.subject}.",
                got=person.key,
                do="give the key as the source system writes it",
            )

    def _state(self, person: Person, erasures: Sequence[Erasure], held: bool) -> str:
        (key,) = self._keys.of([person.subject], create=False)
        if erasures and erasures[-1].status == "erasing":
            return "erasing"
        if key is not None:
            return "held"
        if self._keys.erased(person.subject) is not None:
            return "erased"
        return "held" if held else "unknown"

    def _told(self, erasure: Erasure) -> dict[str, Any]:
        """Return an erasure as plain data, saying whether its receipt is genuine."""
        receipt = erasure.receipt
        genuine = receipt is not None and is_genuine(receipt, self._keys.public_key())
        return {
            "id": erasure.id,
            "status": erasure.status,
            "asked": format_instant(erasure.asked),
            "ended": _instant(erasure.ended),
            "reason": erasure.reason,
            "who": erasure.who,
            "receipt": dict(receipt) if receipt is not None else None,
            "genuine": genuine,
        }

    def _record(
        self, action: str, subjects: Sequence[str], who: str, role: str, refused: str = ""
    ) -> None:
        """Record in the access log who did what to whom; it is durable, or the act fails."""
        self._access.record(Read(action, who, role, PURPOSE, people=set(subjects), refused=refused))


def open_erasing(stores: Stores, reads: Reads) -> Erasing:
    """Name every store of a project that holds something of persons, and end what was begun.

    Args:
        stores: the project's.
        reads: finds the rows that are about a person.
    """
    tables = TablesHolder(stores.tables, stores.loading, reads, stores.keys)
    origins = [source.origin for source in stores.project.sources]
    erasing = Erasing(
        stores.path,
        holders=[
            tables,
            QuarantineHolder(stores.loading),
            CatalogHolder(stores.catalog),
            ModelsHolder(stores.catalog, tables),
            RowsHolder(stores),
            LogHolder(stores.catalog),
            IntakeHolder(stores.pending),
            AccessHolder(stores.access),
            SourcesHolder(stores.path, origins, tables),
            MessagesHolder(stores.catalog.store),
            ShadowsHolder(stores.catalog.store),
            CasesHolder(stores.catalog.store, stores.path),
            WorkHolder(),
            KeysHolder(stores.keys),
        ],
        values=tables.values,
        catalog=stores.catalog,
        keys=stores.keys,
        loading=stores.loading,
        log=stores.log,
        access=stores.access,
        types=sorted({t.subject_type() for t in stores.tables.values()} - {""}),
    )
    erasing.recover()
    return erasing


def _instant(value: int | None) -> str | None:
    return None if value is None else format_instant(value)


def _hold(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "until": format_instant(hold.until),
        "reason": hold.reason,
        "who": hold.who,
        "since": format_instant(hold.since),
        "released": _instant(hold.released),
        "released_by": hold.released_by,
        "released_why": hold.released_why,
    }
