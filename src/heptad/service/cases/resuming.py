# SPDX-License-Identifier: Apache-2.0
"""Resuming what was referred: a closed case becomes a decision of its own, and labels to learn from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heptad.service.app import Outcome, Reason
from heptad.standards.errors import HeptadError
from heptad.standards.fields import Ref
from heptad.standards.model import Label
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.service.app import App, Inputs
    from heptad.service.cases.case import Case
    from heptad.service.cases.handling import Cases
    from heptad.service.decisions.decision import Decision
    from heptad.service.decisions.log import DecisionLog
    from heptad.standards.time import Clock

CASE, CASE_OUTCOME = "case", "case.outcome"
"""What the policy of a resumed decision holds beside that of the first one."""


def resumed(app: App, inputs: Inputs) -> Outcome:
    """Answer a decision that people took: by the application's own flow, where it has one for it.

    It is a pure function of the inputs, as `decide` is, so that it replays bit for bit.
    """
    if app.resume is not None:
        return app.resume(inputs)
    reason = Reason("CASE", {"case": inputs.policy[CASE]})
    return Outcome(str(inputs.policy[CASE_OUTCOME]), [reason])


class Resuming:
    """Draws the consequences of closed cases; each may be drawn again and comes to the same.

    Args:
        cases: which are closed.
        log: holds the decisions.
        apps: declare inboxes.
        store: takes the labels (table, rows).
        answer: asks an application.
        clock: tells when.
    """

    def __init__(
        self,
        cases: Cases,
        log: DecisionLog,
        apps: Mapping[str, App],
        store: Callable[[str, Sequence[Mapping[str, Any]]], Any],
        answer: Callable[[App, Inputs], Outcome],
        clock: Clock,
    ) -> None:
        self._cases, self._log, self._apps = cases, log, apps
        self._store, self._answer, self._clock = store, answer, clock

    def catch_up(self) -> int:
        """Resume what every closed case was about; return how many cases."""
        found = self._cases.unresumed()
        for case in found:
            self._resume(case)
        return len(found)

    def _resume(self, case: Case) -> None:
        """Record what a case came to: decisions, labels, then that it is done."""
        app, inbox = self._apps[case.app], self._cases.inbox(case.app, case.inbox)
        entries = self._log.stored(self._cases.decisions(case)).values()
        firsts = [e.decision for e in entries if e.decision is not None]
        self._log.record([self._second(app, case, inbox.outcomes[case.outcome], d) for d in firsts])
        if (label := inbox.labels.get(case.outcome)) is not None:
            rows = [row for d in firsts if (row := label_of(app, case, d, *label)) is not None]
            if rows:
                self._store(Label.__name__, rows)
        self._cases.resumed(case)

    def _second(self, app: App, case: Case, outcome: str, first: Decision) -> Decision:
        """Return the decision that people took after the first one."""
        policy = {**first.policy, CASE: case.id, CASE_OUTCOME: outcome}
        made = replace(first, policy=policy)
        found = self._answer(app, made.inputs())
        said = hashlib.sha256(f"{first.id}|{case.id}".encode()).hexdigest()
        return replace(
            made,
            id=f"{first.id[:160]}-{said[:8]}",
            outcome=found.outcome,
            reasons=tuple(found.reasons),
            amounts=dict(found.amounts),
            code=app.code_version(),
            decided_at=case.closed or self._clock.now(),
            request=said,
        )


def label_of(
    app: App, case: Case, decision: Decision, flag: str, value: bool
) -> dict[str, Any] | None:
    """Return the row of Label that a case's outcome becomes, known from now on.

    Raises:
        HeptadError: if Label has no such flag.
    """
    if flag not in Label.fields:
        raise HeptadError(f"Label has no flag {flag!r}.", got=flag)
    refs = [f for f in Label.fields.values() if isinstance(f, Ref) and not f.subject]
    link = next((f.name for f in refs if f.target_name == app.on.__name__), None)
    if link is None:
        return None
    return {
        "id": f"case-{case.id}-{decision.id[:40]}",
        "event_time": format_instant(decision.event_time),
        "customer": decision.subject.partition(":")[2],
        link: decision.row_key,
        flag: value,
    }
