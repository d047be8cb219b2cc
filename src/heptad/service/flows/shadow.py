# SPDX-License-Identifier: Apache-2.0
"""A challenger in shadow: what it would have decided is recorded beside what was decided, and compared.

It is asked of the log: of each decision that was made, with the very inputs that the decision records.
So what is decided, and how soon, is the same with it and without it, to the bit.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from heptad.catalog.inserts import upsert
from heptad.catalog.shadowtables import ShadowRow
from heptad.security.erasure import Holding
from heptad.security.sealed import open_bytes, seal_bytes
from heptad.service.app import Inputs, Outcome
from heptad.service.cases.resuming import CASE
from heptad.service.decisions.records import open_records, public_of
from heptad.service.flows.published import in_share, shelf
from heptad.service.flows.publishing import flow_of, shadow_of, share_of, was_shadow
from heptad.standards.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from heptad.catalog import Catalog
    from heptad.catalog.models import Model
    from heptad.catalog.store import Store
    from heptad.security.erasure import Person
    from heptad.security.keys import KeyStore
    from heptad.service.app import App, Plain
    from heptad.service.decisions.decision import Decision
    from heptad.service.decisions.log import DecisionLog

BATCH = 256
"""Decisions asked of in one transaction."""


@dataclass(frozen=True)
class Said:
    """What a flow in shadow said of one decision; `error` where it failed."""

    outcome: str
    reasons: Sequence[tuple[str, Mapping[str, Plain]]]
    amounts: Mapping[str, int]
    policy: Mapping[str, Plain]
    error: str = ""

    @classmethod
    def of(cls, outcome: Outcome, policy: Mapping[str, Plain]) -> Said:
        """Return what an outcome says, with the policy values under which it was reached."""
        told = [(reason.code, dict(reason.numbers)) for reason in outcome.reasons]
        return cls(outcome.outcome, told, dict(outcome.amounts), dict(policy))

    def to_bytes(self) -> bytes:
        """Return the canonical bytes: JSON, keys sorted, shortest exact floats."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()


class Shadows:
    """Asks the challengers in shadow, records what they say, and compares.

    How far a shadow has followed the log becomes durable in the transaction that records what it
    said: each decision since its publishing is asked of once, whoever is killed in between.

    Args:
        log: the decisions.
        catalog: keeps what was said, and how far the log was followed.
        keys: open decisions, and seal what is said about a person.
        apps: the applications by name.
        changes: application → the policy values that the project changes.
    """

    def __init__(
        self,
        log: DecisionLog,
        catalog: Catalog,
        keys: KeyStore,
        apps: Mapping[str, App],
        changes: Callable[[App], Mapping[str, Plain]],
    ) -> None:
        self._log, self._catalog, self._keys, self._apps = log, catalog, keys, apps
        self._store, self._models, self._changes = catalog.store, catalog.models, changes
        self._lock, self._turns = threading.Lock(), cycle(apps.values())

    def standing(self, app: App) -> Model | None:
        """Return the challenger of an application that is in shadow; None without one."""
        if app.flow is None:
            return None
        found = self._models.challenger(shelf(app.name))
        return found if found and shadow_of(self._models, found) is not None else None

    def catch_up(self, seconds: float | None = None) -> int:
        """Ask the shadows of what was decided since; return how many decisions were looked at.

        Applications take turns, batch by batch, and the next look begins where this one ended.

        Args:
            seconds: for so long at most; to the end of the log by default.
        """
        looked, idle, begun = 0, 0, time.monotonic()
        with self._lock:
            while idle < len(self._apps):
                app = next(self._turns)
                model = self.standing(app)
                n = self._follow(app, model) if model is not None else 0
                looked, idle = looked + n, 0 if n else idle + 1
                if n and seconds is not None and time.monotonic() - begun >= seconds:
                    break
        return looked

    def behind(self, model: Model) -> int:
        """Return how many entries of the log a shadow was not asked of yet."""
        return max(len(self._log) - self._place(model), 0)

    def _place(self, model: Model) -> int:
        """Return the entry of the log that a shadow is asked of next."""
        first = shadow_of(self._models, model) or 0
        return max(int(self._catalog.settings.get(_mark(model.id), 0)), first)

    def _follow(self, app: App, model: Model) -> int:
        """Ask of the next decisions, and move on behind them; return how many were looked at."""
        at = self._place(model)
        end = min(len(self._log), at + BATCH)
        if at >= end:
            return 0
        records = list(self._log.ledger.iterate(at, end))
        mine = [record for record in records if public_of(record)[1]["app"] == app.name]
        share = share_of(self._models, model)
        made = [o.decision for o in open_records(mine, self._keys) if o.decision is not None]
        # What people decided is a further decision of the same row, and none of a flow.
        wanted = [d for d in made if CASE not in d.policy and _chosen(app, model, d, share)]
        rows = self._rows(app, model, wanted)
        with self._store.write() as connection:
            upsert(connection, ShadowRow, rows)
            self._catalog.settings.set(_mark(model.id), end)
        return len(records)

    def _rows(self, app: App, model: Model, made: Sequence[Decision]) -> list[dict[str, Any]]:
        """Ask a shadow of some decisions; a row of each, sealed under its person's key."""
        flow = flow_of(app).by_hash(model.sha256)
        policy = {**app.policy, **flow.policy, **self._changes(app)}
        now, found = self._store.clock.now(), []
        keys = self._keys.of([d.subject for d in made], create=False)
        for decision, key in zip(made, keys, strict=True):
            if key is None:
                continue
            said = self._asked(app, model.sha256, decision, policy)
            found.append({
                "flow": model.id, "decision": decision.id, "app": app.name,
                "subject": decision.subject, "was": decision.outcome, "would_be": said.outcome,
                "codes": [code for code, _ in said.reasons], "error": said.error, "at": now,
                "sealed": seal_bytes(said.to_bytes(), key, _bound(model.id, decision)),
            })  # fmt: skip
        return found

    @staticmethod
    def _asked(app: App, sha256: str, then: Decision, policy: Mapping[str, Plain]) -> Said:
        """Ask a flow what it would have decided; whatever it raises is counted, and harms nobody."""
        x = Inputs(then.features, then.row, policy, then.score, then.known_time)
        try:
            said = Said.of(flow_of(app).by_hash(sha256).decide(x)[0], policy)
            said.to_bytes()
        except Exception as error:  # noqa: BLE001 - a flow may fail in any way
            return Said("", (), {}, dict(policy), type(error).__name__)
        return said

    def find(self, app: App, number: int = 0) -> Model:
        """Return a flow that is, or was, in shadow.

        Args:
            app: the application.
            number: of the flow; the one in shadow now by default.

        Raises:
            UnknownName: if no flow is in shadow, or this one never was.
        """
        flow_of(app)
        found = self._models.get(number) if number else self.standing(app)
        mine = found is not None and found.app == shelf(app.name)
        if found is None or not mine or not was_shadow(self._models, found):
            raise UnknownName(
                f"{app.name} has no flow in shadow.", got=number or None,
                do=f"`heptad flow publish {app.name} FILE --shadow`",
            )  # fmt: skip
        return found

    def compare(self, app: App, number: int = 0) -> dict[str, Any]:
        """Set what a shadow would have decided beside what was decided, in counts.

        Returns:
            `rows` asked of, how many were `changed` and `failed`, `behind` in the log, `swaps`
            from which outcome to which, `reasons` of the shadow by code, `errors` by type.
        """
        model = self.find(app, number)
        mine = ShadowRow.flow == model.id
        by = (ShadowRow.was, ShadowRow.would_be, ShadowRow.error)
        swaps: dict[tuple[str, str], int] = {}
        errors: dict[str, int] = {}
        reasons: dict[str, int] = {}
        with self._store.read() as connection:
            for was, would_be, error, n in _counted(connection, mine, by):
                if error:
                    errors[error] = errors.get(error, 0) + n
                else:
                    swaps[was, would_be] = swaps.get((was, would_be), 0) + n
            for codes, n in _counted(connection, mine, (ShadowRow.codes,)):
                for code in codes:
                    reasons[code] = reasons.get(code, 0) + n
        told = [{"was": w, "would_be": b, "rows": n} for (w, b), n in sorted(swaps.items())]
        standing = self.standing(app)
        stands = standing is not None and standing.id == model.id
        return {
            "app": app.name, "number": model.id, "sha256": model.sha256,
            "share": share_of(self._models, model),
            "standing": stands,
            "rows": sum(swaps.values()) + sum(errors.values()),
            "changed": sum(n for (was, would_be), n in swaps.items() if was != would_be),
            "failed": sum(errors.values()), "behind": self.behind(model) if stands else 0,
            "swaps": told,
            "reasons": dict(sorted(reasons.items())), "errors": errors,
        }  # fmt: skip

    def swapped(self, app: App, number: int, was: str, would_be: str, limit: int) -> list[str]:
        """Return the ids of decisions that a shadow would have made so, the last ones first."""
        wanted = select(ShadowRow.decision).where(
            ShadowRow.flow == self.find(app, number).id,
            ShadowRow.was == was, ShadowRow.would_be == would_be, ShadowRow.error == "",
        )  # fmt: skip
        with self._store.read() as connection:
            last = wanted.order_by(ShadowRow.at.desc(), ShadowRow.decision).limit(limit)
            return list(connection.execute(last).scalars())

    def replay(self, app: App, number: int = 0) -> dict[str, Any]:
        """Ask a shadow again, from what the log holds, and compare bit for bit with what it said.

        Returns:
            How many were `identical`, `different` and `erased`, and the ids of those that differ.
        """
        model = self.find(app, number)
        names = (ShadowRow.decision, ShadowRow.sealed)
        wanted = select(*names).where(ShadowRow.flow == model.id).order_by(ShadowRow.decision)
        counts, differing, after = {"identical": 0, "different": 0, "erased": 0}, [], ""
        while True:
            with self._store.read() as connection:
                page = wanted.where(ShadowRow.decision > after).limit(BATCH)
                rows = connection.execute(page).all()
            if not rows:
                break
            after = rows[-1].decision
            made = self._log.stored(row.decision for row in rows)
            for row in rows:
                entry = made.get(row.decision)
                found = self._again(app, model, entry.decision if entry else None, row.sealed)
                counts[found] += 1
                if found == "different":
                    differing.append(row.decision)
        return {"app": app.name, "number": model.id, **counts, "differing": differing[:100]}

    def _again(self, app: App, model: Model, then: Decision | None, sealed: bytes | None) -> str:
        """Ask once more; say whether the bytes are the same."""
        (key,) = self._keys.of([then.subject], create=False) if then else (None,)
        if then is None or key is None or sealed is None:
            return "erased"
        what = f"What a shadow said of decision {then.id}"
        said = open_bytes(sealed, key, _bound(model.id, then), what)
        policy = json.loads(said)["policy"]
        return "identical" if self._asked(app, model.sha256, then, policy).to_bytes() == said \
            else "different"  # fmt: skip


class ShadowsHolder:
    """What flows in shadow said of a person: sealed under their key but for outcome and codes."""

    name, covers = "shadows", ()
    lets_go = True

    def __init__(self, store: Store) -> None:
        self._store = store

    def held(self, person: Person) -> list[Holding]:
        """Count what was said."""
        mine = (ShadowRow.subject == person.subject, ShadowRow.sealed.is_not(None))
        with self._store.read() as connection:
            n = connection.execute(select(func.count()).where(*mine)).scalar_one()
        what = "what a flow that did not decide would have decided"
        return [Holding(self.name, what, n, "removed")] if n else []

    def erase(self, people: Sequence[Person]) -> int:
        """Remove what was sealed; outcomes and codes stay, as those of the decisions do."""
        with self._store.write() as connection:
            which = ShadowRow.subject.in_([person.subject for person in people])
            gone = update(ShadowRow).where(which, ShadowRow.sealed.is_not(None))
            return int(connection.execute(gone.values(sealed=None)).rowcount)


def _mark(flow: int) -> str:
    """Return the setting that says how far a shadow has followed the log."""
    return f"shadow.{flow}"


def _chosen(app: App, model: Model, then: Decision, share: float) -> bool:
    """Tell whether a shadow is asked of a decision: of whom it would decide as a challenger."""
    return share >= 1 or in_share(model.sha256, flow_of(app).subject(then.row), share)


def _counted(connection: Connection, mine: Any, by: Sequence[Any]) -> list[Any]:
    return list(connection.execute(select(*by, func.count()).where(mine).group_by(*by)))


def _bound(flow: int, then: Decision) -> bytes:
    return f"shadow|{flow}|{then.id}|{then.subject}".encode()
