# SPDX-License-Identifier: Apache-2.0
"""Flows: a decision as data, stage by stage, decided for one row or for a batch by the same rules."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from heptad.service.app import Outcome, Plain, Reason
from heptad.standards.errors import ContractError
from heptad.standards.evaluate import compile_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from heptad.service.app import Inputs
    from heptad.service.decisions.counterfactual import Lever
    from heptad.service.rules.rules import Rule, Rules
    from heptad.standards.resolve import Typed

Kind = Literal[
    "prefilter", "eligible", "checks", "features", "score", "policy", "amounts", "outcome"
]
KINDS: tuple[Kind, ...] = (
    "prefilter", "eligible", "checks", "features", "score", "policy", "amounts", "outcome",
)  # fmt: skip
WHOLE = ("eligible", "checks")
"""Kinds of which all rules are asked, and the gravest outcome decides."""
RIVAL = "challenger."
"""What the names of a challenger's own policy values begin with, where a decision records them."""
SEVERITY = ("decline", "hold", "challenge", "refer", "offer", "skip", "approve")
"""Which outcome wins where several checks fire together."""
SAYS: dict[str, str] = {
    "prefilter": "the first rule that fires decides, before anything else is looked at",
    "eligible": "the terms of the product; whom they exclude is declined, whom nobody knows referred",
    "checks": "all rules are asked; the gravest outcome decides",
    "features": "what is known of the past",
    "score": "the model's points",
    "policy": "a table: the first row that fits decides",
    "amounts": "amounts are computed",
    "outcome": "what is left is decided so",
}


@dataclass(frozen=True)
class Stage:
    """One stage of a flow.

    Attributes:
        kind: what it does, see `SAYS`.
        name: unique within the flow.
        rules: of prefilter, checks, policy, score and outcome.
        amounts: of amounts, in order: name → expression.
        features: names that a stage of features lists.
        product: whose terms an eligible stage holds.
    """

    kind: Kind
    name: str
    rules: Rules
    amounts: Mapping[str, Typed] = field(default_factory=dict)
    features: Sequence[str] = ()
    product: str = ""


class Flow:
    """A decision flow, which an application uses as its `decide`.

    Args:
        name: of the flow.
        version: that its authors gave it.
        on: name of the table decided on.
        stages: in order; the last is the outcome of whatever nothing decided before.
        policy: named values that people may change, with their defaults.
        text: the YAML that it was read from; its hash is the flow's identity.
        listings: input of a stored list → the feature that tells until when one stands on it.
        levers: what a person can act on, and how far.
    """

    def __init__(  # noqa: PLR0913 - the parts of a flow
        self,
        *,
        name: str,
        version: int,
        on: str,
        stages: Sequence[Stage],
        policy: Mapping[str, Plain],
        text: str,
        listings: Mapping[str, str] | None = None,
        levers: Sequence[Lever] = (),
    ) -> None:
        self.name, self.version, self.on, self.text = name, version, on, text
        self.stages, self.policy = tuple(stages), dict(policy)
        self.listings = dict(listings or {})
        self.levers = tuple(levers)
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()
        self._days = _days_of(self.stages)
        self._amounts = {
            stage.name: {n: compile_row(tree) for n, tree in stage.amounts.items()}
            for stage in self.stages
        }
        self._carried = {
            (stage.name, n): {k: compile_row(tree) for k, tree in rule.amounts.items()}
            for stage in self.stages
            for n, rule in enumerate(stage.rules.rules)
        }
        self._policies: tuple[Any, dict[str, Plain]] = (None, {})

    def __call__(self, x: Inputs) -> Outcome:
        """Decide one row: a pure function of its features, score, policy and fields."""
        return self.decide(x)[0]

    def decide(self, x: Inputs) -> tuple[Outcome, str]:
        """Decide one row and name the stage that decided."""
        row = self._row(x)
        also: list[Reason] = []
        for stage in self.stages:
            if stage.amounts:
                for name, read in self._amounts[stage.name].items():
                    row[f"amount.{name}"] = read(row)
                continue
            fired = stage.rules.fired(row)
            if not fired:
                continue
            chosen = self._chosen(stage, fired, row, also)
            if chosen:
                return self._outcome(stage, chosen, row, x, also), stage.name
        raise ContractError(
            f"The flow {self.name} decided nothing.", do="end it with an outcome that always holds"
        )

    def amount(self, name: str, x: Inputs) -> Plain:
        """Return an amount as the flow computes it for one row, whatever its rules would decide.

        Points that rules give are not among what it is computed from; None if the flow computes
        no amount of this name.
        """
        row = self._row(x)
        for stage in self.stages:
            for known, read in self._amounts[stage.name].items():
                row[f"amount.{known}"] = read(row)
        found: Plain = row.get(f"amount.{name}")
        return found

    def _row(self, x: Inputs) -> dict[str, Any]:
        """Lay fields, features, policy and score out under the names that expressions use."""
        given = x.policy
        if self._policies[0] is not given:
            self._policies = given, {f"policy.{n}": v for n, v in self._values(given).items()}
        row: dict[str, Any] = {**x.row, **x.features, **self._policies[1], "score.rules": 0}
        row["known_time"] = x.known_time
        for name in self._days:
            if isinstance(row.get(name), str):
                row[name] = date.fromisoformat(row[name])
        for name, feature in self.listings.items():
            until = row.get(feature)
            row[name] = until is not None and until > row["event_time"]
        if x.score is not None:
            row["score.points"] = x.score.points
            row["score.probability"] = x.score.probability
        return row

    def _values(self, given: Mapping[str, Plain]) -> dict[str, Plain]:
        """Return the policy values that hold for this flow, which may be a challenger."""
        found = {**self.policy, **given}
        if given.get("challenger") == self.sha256:
            own = {n: v for n, v in given.items() if n.startswith(RIVAL)}
            found |= {n.removeprefix(RIVAL): v for n, v in own.items()}
        return found

    def _chosen(
        self, stage: Stage, fired: list[int], row: dict[str, Any], also: list[Reason]
    ) -> list[int]:
        """Return the rules that decide; those without an outcome add points and reasons."""
        rules = stage.rules.rules
        deciding = [n for n in fired if rules[n].outcome]
        for n in fired:
            rule = rules[n]
            if not rule.outcome:
                row["score.rules"] += rule.points
                also.append(Reason(rule.code, stage.rules.numbers(n, row)))
        if not deciding or stage.kind not in WHOLE:
            return deciding[:1]
        gravest = min((rules[n].outcome for n in deciding), key=SEVERITY.index)
        return [n for n in deciding if rules[n].outcome == gravest]

    def _outcome(
        self, stage: Stage, chosen: list[int], row: dict[str, Any], x: Inputs, also: list[Reason]
    ) -> Outcome:
        """Give the reasons and the amounts of what was chosen."""
        reasons: list[Reason] = []
        amounts: dict[str, int] = {}
        for n in chosen:
            rule = stage.rules.rules[n]
            lost = _lost(rule, x)
            if not (rule.instead and lost):
                reasons.append(Reason(rule.code, stage.rules.numbers(n, row)))
            reasons += lost
            for name, read in self._carried[stage.name, n].items():
                value = read(row)
                if value is not None:
                    amounts[name] = int(value)
        return Outcome(stage.rules.rules[chosen[0]].outcome, [*reasons, *also], amounts)


def _lost(rule: Rule, x: Inputs) -> list[Reason]:
    """Tell the inputs that cost most points."""
    if not rule.lost or x.score is None:
        return []
    return [
        Reason(
            f"LOST_{name.upper()}",
            {
                "value": x.features[name] if name in x.features else x.row.get(name),
                "points": points,
            },
        )
        for name, points in list(x.score.contributions)[: rule.lost]
    ]


def _days_of(stages: Sequence[Stage]) -> tuple[str, ...]:
    """Name the columns that are days: decisions keep them as ISO text."""
    todo = [t for s in stages for r in s.rules.rules for t in r.trees()]
    todo += [t for s in stages for t in s.amounts.values()]
    found: dict[str, None] = {}
    while todo:
        node = todo.pop()
        if node.op == "column" and node.kind == "day":
            found[node.name] = None
        todo.extend(node.arguments)
    return tuple(found)
