# SPDX-License-Identifier: Apache-2.0
"""Cases as they stood at an instant, told again from the steps of the work on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heptad.service.cases.case import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from heptad.service.cases.case import Case
    from heptad.service.cases.handling import Cases
    from heptad.service.cases.inboxes import Inbox
    from heptad.service.decisions.records import Opened

Step = dict[str, Any]


def past_cases(cases: Cases, at: int, *, status: str = "", **by: str) -> list[Case]:
    """Return the cases that were there at an instant: open ones first, as they were due.

    Args:
        cases: of the project.
        at: microseconds.
        status: only those that had this status then.
        **by: app, inbox and subject, as for `Cases.page`.
    """
    found = [as_of(case, own) for case, own in cases.steps(at, **by)]
    return _in_order(case for case in found if not status or case.status == status)


def _in_order(found: Iterable[Case]) -> list[Case]:
    return sorted(found, key=lambda c: (c.status == "closed", c.due, c.number))


class Past:
    """All cases as they stood at an instant, of one reading of their steps.

    Args:
        cases: of the project.
        at: microseconds.

    Attributes:
        cases: open ones first, as they were due.
    """

    def __init__(self, cases: Cases, at: int) -> None:
        steps = cases.steps(at)
        self._at, self._steps = at, {case.id: own for case, own in steps}
        self.cases = _in_order(as_of(case, own) for case, own in steps)

    def page(self, **by: str) -> list[Case]:
        """Return the cases that had an app, inbox, status or subject then; "" stands for any."""
        wanted = {name: value for name, value in by.items() if value}
        return [c for c in self.cases if all(getattr(c, n) == v for n, v in wanted.items())]

    def decisions(self, case: Case) -> list[str]:
        """Return the ids of the decisions that a case was about, the first one first."""
        return _decisions(self._steps.__getitem__, case.id, self._at)


def counted(cases: Sequence[Case], at: int) -> list[dict[str, Any]]:
    """Count cases by application, inbox and status, and those that were late at an instant."""
    which = Counter((c.app, c.inbox, c.status) for c in cases)
    late = Counter(
        (c.app, c.inbox, c.status) for c in cases if c.due <= at and c.status != "closed"
    )
    return [
        {"app": key[0], "inbox": key[1], "status": key[2], "n": n, "late": late[key]}
        for key, n in sorted(which.items())
    ]


def past_case(cases: Cases, name: str, at: int) -> Case | None:
    """Return one case as it stood at an instant; None if it was not opened yet."""
    case = cases.get(name)
    own = [e for e in cases.events(case) if e["at"] <= at]
    return as_of(case, own) if own else None


def past_decisions(cases: Cases, case: Case, at: int) -> list[str]:
    """Return the ids of the decisions that a case was about at an instant, the first one first.

    A case that another one was merged into has that one's from then on.
    """
    return _decisions(lambda name: cases.events(cases.get(name)), case.id, at)


def _decisions(
    steps_of: Callable[[str], Sequence[Mapping[str, Any]]], name: str, at: int
) -> list[str]:
    """Follow the steps of a case, and of those merged into it, to the decisions."""
    found: list[str] = []
    for step in steps_of(name):
        if step["at"] > at:
            break
        if step["action"] == "alert":
            found.append(str(step["detail"]["decision"]))
        elif step["action"] == "merge" and "other" in step["detail"]:
            found += _decisions(steps_of, str(step["detail"]["other"]), step["at"])
    return list(dict.fromkeys(found))


def past_keys(inbox: Inbox, entries: Sequence[Opened]) -> list[str]:
    """Return what the alerts of a case shared when it was about these decisions.

    Of a decision whose person is erased only the person is known.
    """
    told = [keys_of(inbox, e.decision) if e.decision else [e.subject] for e in entries]
    return sorted({key for keys in told for key in keys if key})


def as_of(case: Case, steps: Sequence[Mapping[str, Any]]) -> Case:
    """Return a case as it stood after some of its steps, the first one first.

    Of no step is it kept when its decisions came to know that it was closed: `resumed` is 0, but
    for what was merged.

    Args:
        case: as it stands now; what never changes is taken from it, and its calendar where the
            steps, those of an older project, do not say by which one it was due.
        steps: `action`, `detail`, `who` and `at` of each; at least the one that opened it.
    """
    begun: Step = {"status": "open", "assignee": "", "level": 0, "proposed": "", "proposer": "",
                   "outcome": "", "closed": None, "closer": "", "resumed": 0}  # fmt: skip
    now = replace(case, **begun, revision=len(steps))
    for step in steps:
        now = _after(now, step["action"], step["detail"] or {}, step)
    return now


def _after(case: Case, action: str, detail: Mapping[str, Any], step: Mapping[str, Any]) -> Case:
    """Return a case after one more step."""
    closed: Step = {"status": "closed", "closed": step["at"], "closer": step["who"]}
    changed: Step = {}
    if action in {"open", "escalate"}:
        kept = {"level": case.level, "due": case.due}
        changed = {name: int(detail.get(name, value)) for name, value in kept.items()}
        changed["calendar"] = str(detail.get("calendar", case.calendar))
    elif action == "assign":
        to = str(detail.get("to", ""))
        changed = {"assignee": to, "status": "working" if to else "open"}
    elif action == "propose":
        changed = {"status": "waiting", "proposed": detail["outcome"], "proposer": step["who"]}
    elif action in {"close", "agree"}:
        changed = closed | {"outcome": detail["outcome"]}
    elif action == "merge" and "into" in detail:
        changed = closed | {"outcome": "merged", "resumed": 1}
    elif action == "reject" or (action in {"alert", "merge"} and case.status == "waiting"):
        changed = {"status": "working", "proposed": "", "proposer": ""}
    return replace(case, **changed)
