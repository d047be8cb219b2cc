# SPDX-License-Identifier: Apache-2.0
"""The desk where decisions are made, recorded once, and made again to be compared."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from heptad.service.decisions.deciding import (
    BATCH,
    Asked,
    Circumstances,
    Scorer,
    decide,
    select_rows,
)
from heptad.service.decisions.decision import definitions_version
from heptad.service.decisions.replaying import Archive, Replay, replay
from heptad.service.flows.published import attach
from heptad.service.flows.publishing import in_force
from heptad.service.modes import implied
from heptad.standards.errors import UnknownName, suggest
from heptad.standards.model import Consent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from heptad.catalog.models import Models
    from heptad.security.keys import KeyStore
    from heptad.service.app import App, Plain
    from heptad.service.batch.history import Spine
    from heptad.service.decisions.decision import Decision
    from heptad.service.decisions.log import DecisionLog
    from heptad.service.decisions.records import Opened
    from heptad.service.reads.guard import Access, Guard
    from heptad.service.reads.reads import Reads
    from heptad.standards.time import Clock

    Policies = Mapping[str, Mapping[str, bool | int | float | str]]


class Hashes(NamedTuple):
    """What an application is made of: hashes of its files and of its features' definitions."""

    code: str
    definitions: str


def hashes_of(app: App) -> Hashes:
    """Return the hashes of an application; they stay the same as long as the process runs."""
    return Hashes(app.code_version(), definitions_version(app))


class Desk:
    """Makes the decisions of one project.

    Args:
        apps: the applications by name.
        reads: rows and features.
        log: where decisions are recorded.
        models: the registered models.
        keys: hold the pepper that request bodies are hashed with.
        policies: application → the policy values that the project changes.
        clock: tells when a decision is made.
        guard: leaves out the rows of those without a basis.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts that a decision is made from
        self,
        apps: Mapping[str, App],
        reads: Reads,
        log: DecisionLog,
        models: Models,
        keys: KeyStore,
        policies: Policies,
        clock: Clock,
        guard: Guard,
    ) -> None:
        self._clock, self._guard = clock, guard
        self._apps, self._reads, self._log = apps, reads, log
        self._models, self._keys, self._policies = models, keys, policies
        self._scorers: dict[tuple[str, str], Scorer] = {}
        attach(models)
        self._pepper: bytes | None = None

    def each(
        self,
        app: App,
        *,
        keys: Sequence[str] | None = None,
        between: tuple[int, int] | None = None,
        latest: int | None = None,
        asked: Mapping[str, Asked] | None = None,
        erased: list[str] | None = None,
    ) -> Iterator[list[Opened]]:
        """Decide stored rows and record the decisions, batch by batch; see `Platform.decide_each`."""
        # The versions are fixed before anything is read, so that a load beside it changes nothing.
        circumstances = self.circumstances(app, asked)
        versions = circumstances.tables
        reads = self._reads.under(self._then(app, circumstances.now, versions))
        stored = reads.stored(app.on, versions[app.on.__name__])
        rows = select_rows(reads.queries, app.on, stored, keys=keys, between=between, latest=latest)
        compute = reads.compute(list(app.features.values()), versions)
        for start in range(0, rows.num_rows, BATCH):
            made, failed = decide(app, rows.slice(start, BATCH), compute, circumstances)
            recorded = self._log.record(made)
            if erased is not None:
                there = {entry.public["id"] for entry in recorded}
                erased += [d.row_key for d in made if d.id not in there]
            yield recorded
            for key, error in failed.items():
                # The others of the batch are recorded; a retry meets only these again.
                error.place = error.place or f"{app.on.__name__} {key}"
                raise error

    def at_once(
        self, app: App, tables: Mapping[str, int], hashes: Hashes, asked: Mapping[str, Asked]
    ) -> Circumstances:
        """Return what decisions rest on now whose rows are not stored yet.

        Args:
            app: an application whose reads rest on no consent.
            tables: the version of each table read, made or to be made.
            hashes: of the application's files and definitions.
            asked: as in `Circumstances`.
        """
        return Circumstances(
            self.policy(app), tables, self._guard.purposes[app.purpose].basis, self._clock.now(),
            self._champion(app), asked, *hashes,
        )  # fmt: skip

    def circumstances(self, app: App, asked: Mapping[str, Asked] | None) -> Circumstances:
        """Return what decisions of an application rest on now."""
        consents = self._guard.consents(app)
        return Circumstances(
            policy=self.policy(app),
            tables=self._reads.versions(app) | consents,
            basis=self._guard.purposes[app.purpose].basis,
            # What rests on consents is decided at an instant that does not step back.
            now=self._guard.now() if consents else self._clock.now(),
            scorer=self._champion(app),
            asked=asked or {},
        )

    def asked(self, app: str, about: Mapping[str, Any] | str | None, name: str) -> Asked:
        """Return a request that its caller gave an id, with a keyed hash of its body."""
        body = msgspec.json.encode([app, about], order="sorted")
        if self._pepper is None:
            self._pepper = self._keys.pepper("requests")
        return Asked(name, hmac.digest(self._pepper, body, "sha256").hex())

    def changes(self, app: App) -> dict[str, Plain]:
        """Return the policy values that the project changes, with what follows from its mode.

        Raises:
            UnknownName: if it changes a value, or names a mode, that the application does not have.
        """
        changes = self._policies.get(app.name, {})
        for name in changes:
            if name not in app.policy:
                raise UnknownName(
                    f"{app.name} has no policy value {name!r}.",
                    got=name,
                    do=suggest(name, app.policy),
                )
        return implied(app, changes)

    def policy(self, app: App) -> dict[str, Any]:
        """Return the policy values of an application with the project's changes; see `changes`.

        Raises:
            UnknownName: as `changes`.
            ContractError: if the application cannot decide by a value.
        """
        found = in_force(app, self._models, self.changes(app))
        if app.check is not None:
            app.check(found)
        return found

    def scorer(self, app: str, sha256: str) -> Scorer:
        """Return a model by the hash of its bytes.

        Raises:
            Corrupt: if the stored bytes have another hash.
            UnknownName: if no model has it.
        """
        if (app, sha256) not in self._scorers:
            model = self._apps[app].model
            if model is None:
                raise UnknownName(f"{app} has no model.", got=sha256)
            data = self._models.bytes_of(sha256)
            self._scorers[app, sha256] = Scorer(model.estimator.from_bytes(data), sha256)
        return self._scorers[app, sha256]

    def _champion(self, app: App) -> Scorer | None:
        """Return the approved model of an application."""
        found = self._models.champion(app.name) if app.model is not None else None
        return None if found is None else self.scorer(app.name, found.sha256)

    def replay(self, entries: Iterable[Opened]) -> Replay:
        """Decide and derive decisions again; see `heptad.service.decisions.replaying`."""
        return replay(
            entries, Archive(self._apps, self.scorer, self._rows_then, self._features_then)
        )

    def _rows_then(self, app: App, group: Sequence[Decision]) -> pa.Table:
        """Read the rows that decisions were about, at the table version that they name."""
        return select_rows(
            self._reads.queries,
            app.on,
            self._reads.stored(app.on, group[0].tables[app.on.__name__]),
            keys=[d.row_key for d in group],
            known=[d.known_time for d in group],
        )

    def _features_then(self, app: App, spine: Spine, then: Decision) -> Mapping[str, pa.Array]:
        """Compute the features of an application as it read them for a decision."""
        reads = self._reads.under(self._then(app, then.decided_at, then.tables))
        return reads.compute(list(app.features.values()), then.tables)(spine)

    def _then(self, app: App, at: int, versions: Mapping[str, int]) -> Access:
        """Return the access with which an application decides, or decided, at an instant."""
        return self._guard.deciding(app, at, versions.get(Consent.__name__))
