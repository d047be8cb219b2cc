# SPDX-License-Identifier: Apache-2.0
"""What follows from decisions: cases and messages, drawn from the log, each once and none left out."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

from heptad.catalog.courtesy import passing
from heptad.service.decisions.records import open_records, public_of
from heptad.service.letters import Text, values_of, written
from heptad.service.outbox.messages import Wanted
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.catalog import Catalog
    from heptad.security.keys import KeyStore
    from heptad.service.app import App
    from heptad.service.cases.handling import Cases
    from heptad.service.cases.inboxes import Inbox
    from heptad.service.decisions.decision import Decision
    from heptad.service.decisions.log import DecisionLog
    from heptad.service.outbox.sending import Outbox

FOLLOWED = "followed"
BATCH, FEW = 512, 8
"""Decisions that are followed in one transaction, and that are opened without letting others pass."""


class Following:
    """Draws the consequences of decisions.

    The log of decisions is the truth. How far it has been followed becomes durable in the same
    transaction as the cases and messages that were drawn from it: a decision that is in the log
    has them, once, whoever is killed in between; and nothing follows from one that is not.

    Args:
        log: the decisions.
        catalog: keeps how far it was followed.
        keys: open decisions.
        apps: say what follows.
        outbox: returns what takes messages.
        cases: takes alerts.
        institution: its name, for letters.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what takes part
        self,
        log: DecisionLog,
        catalog: Catalog,
        keys: KeyStore,
        apps: Mapping[str, App],
        outbox: Callable[[], Outbox],
        cases: Cases,
        institution: str,
    ) -> None:
        self._log, self._catalog, self._keys, self._apps = log, catalog, keys, apps
        self._outbox, self._cases, self._institution = outbox, cases, institution
        self._lock = threading.Lock()
        if catalog.settings.get(FOLLOWED) is None:
            # Of a project that is older than cases and messages nothing follows any more.
            catalog.settings.set(FOLLOWED, len(log))

    def catch_up(self) -> int:
        """Draw what follows from the decisions made since; return how many were looked at."""
        looked = 0
        with self._lock:
            at = int(self._catalog.settings.get(FOLLOWED, 0))
            end = len(self._log)
            records = self._log.ledger.iterate(at, end) if at < end else iter(())
            while batch := list(islice(records, BATCH)):
                at += len(batch)
                looked += len(batch)
                self._follow(batch, at)
        return looked

    def _follow(self, batch: Sequence[bytes], end: int) -> None:
        """Draw what follows from some records, and move on behind them."""
        wanted = [record for record in passing(batch) if self._matters(public_of(record)[1])]
        starts = passing(range(0, len(wanted), FEW))
        parts = (open_records(wanted[n : n + FEW], self._keys) for n in starts)
        opened = [o for part in parts for o in part if o.decision is not None]
        now = self._catalog.store.clock.now()
        with self._catalog.transaction():
            letters: list[Wanted] = []
            alerts: dict[tuple[str, str], tuple[App, Inbox, list[Decision]]] = {}
            for entry in passing(opened):
                decision, app = entry.decision, self._apps[str(entry.public["app"])]
                assert decision is not None  # noqa: S101 - the closed ones are out
                letters += self._letters(app, decision, now)
                for inbox in app.inboxes:
                    if decision.outcome in inbox.on and decision.event_time + inbox.fresh > now:
                        mine = alerts.setdefault((app.name, inbox.name), (app, inbox, []))
                        mine[2].append(decision)
            for app, inbox, decisions in alerts.values():
                self._cases.alert_all(app, inbox, decisions)
            if letters:
                self._outbox().plan(letters)
            self._catalog.settings.raise_to(FOLLOWED, end)

    def _matters(self, public: Mapping[str, Any]) -> bool:
        """Whether anything follows from a decision of this kind."""
        app = self._apps.get(str(public["app"]))
        if app is None:
            return False
        outcome = public["outcome"]
        return any(outcome in letter.on for letter in app.letters) or any(
            outcome in inbox.on for inbox in app.inboxes
        )

    def _letters(self, app: App, decision: Decision, now: int) -> list[Wanted]:
        """Return the letters that follow from a decision; an old event is not written about."""
        values = values_of(app, decision, self._institution)
        found = []
        for letter in app.letters:
            if decision.outcome not in letter.on or decision.event_time + letter.lasts <= now:
                continue
            fault, text = "", Text("", "")
            try:
                text = written(app, letter, values)
            except ContractError:
                fault = "NO_TEXT"
            found.append(
                Wanted(
                    key=f"decision|{decision.id}|{letter.name}",
                    app=app.name,
                    subject=decision.subject,
                    channels=letter.channels,
                    purpose=letter.purpose,
                    text=text,
                    letter=letter.name,
                    decision=decision.id,
                    urgent=letter.urgent,
                    lasts=letter.lasts,
                    fault=fault,
                )
            )
        return found
