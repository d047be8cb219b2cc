# SPDX-License-Identifier: Apache-2.0
"""Regimes: what the law of a place asks of reads, retention, letters and hours, as data with sources."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from heptad.security.purposes import PURPOSES, WITHDRAWABLE, Basis, Purpose
from heptad.service.decisions.sentences import sentence
from heptad.standards.errors import ContractError, UnknownName, suggest
from heptad.standards.time import day, format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.service.app import App
    from heptad.service.decisions.decision import Decision

NAMES = ("none", "cn", "eu", "us-2026")
ADVERSE = ("decline", "offer", "refer")
"""Outcomes after which a person is owed reasons."""
MOST_REASONS = 4


@dataclass(frozen=True)
class Rule:
    """A duty with where it is written.

    Attributes:
        id: of the rule, for example `ECOA-1002.9`.
        cites: its legal name.
        says: what it asks, in one sentence.
    """

    id: str
    cites: str
    says: str


@dataclass(frozen=True)
class Retention:
    """How long a group of tables is kept, and by which rule."""

    group: str
    days: int
    after: str
    rule: str


@dataclass(frozen=True)
class Regime:
    """The law of a place, as far as it is data.

    Attributes:
        name: as the project file says it.
        title: for people.
        as_of: the day on which it was written down.
        rules: by id.
        bases: purpose → the basis that it rests on here, and the rule.
        retention: how long what is kept.
        report_days: within how many days a person is answered what is held of them.
        letter: title and text of the letter with reasons; "" and "" where there is none.
        letter_days: within how many days it goes.
        letter_rule: the rule that asks for it.
        quiet: hours in which nobody is written to for their money, `HH:MM` twice; "" for none.
        rights: what a person may ask for, in words.
    """

    name: str
    title: str
    as_of: str
    rules: Mapping[str, Rule]
    bases: Mapping[str, tuple[Basis, str]]
    retention: tuple[Retention, ...]
    report_days: int
    letter: tuple[str, str]
    letter_days: int
    letter_rule: str
    quiet: tuple[str, str]
    rights: tuple[str, ...]

    def purposes(self) -> dict[str, Purpose]:
        """Return the purposes as they stand here: some rest on another basis."""
        found = dict(PURPOSES)
        for name, (basis, _) in self.bases.items():
            found[name] = replace(found[name], basis=basis, withdrawable=basis in WITHDRAWABLE)
        return found

    def keeps(self, group: str) -> Retention | None:
        """Return the longest duty to keep a group; None where there is none."""
        found = [r for r in self.retention if r.group == group]
        return max(found, key=lambda r: r.days, default=None)


@cache
def regime(name: str) -> Regime:
    """Find a regime.

    Raises:
        UnknownName: if there is none of that name.
        ContractError: if its data name a rule, purpose or basis that there is not.
    """
    if name not in NAMES:
        raise UnknownName(f"There is no regime {name!r}.", got=name, do=suggest(name, NAMES))
    if name == "none":
        return Regime(name, "No regime", "", {}, {}, (), 30, ("", ""), 0, "", ("", ""), ())
    text = Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8")
    return _read(name, tomllib.loads(text))


def _read(name: str, data: dict[str, Any]) -> Regime:
    rules = {r["id"]: Rule(r["id"], r["cites"], r["says"]) for r in data["rule"]}
    bases = {p: (b["basis"], b["rule"]) for p, b in data.get("basis", {}).items()}
    kept = tuple(Retention(r["group"], r["days"], r["after"], r["rule"]) for r in data["retention"])
    letter, contact = data["letter"], data.get("contact", {})
    named = [r for _, r in bases.values()] + [r.rule for r in kept] + [letter["rule"]]
    if missing := sorted({*named} - rules.keys()):
        raise ContractError(f"The regime {name} names rules without a source.", got=missing[0])
    if wrong := sorted(
        {b for b, _ in bases.values()} - {*get_args(Basis)} | bases.keys() - PURPOSES.keys()
    ):
        raise ContractError(f"The regime {name} names what there is not.", got=wrong[0])
    first, _, last = contact.get("quiet", "").partition("-")
    return Regime(
        name=name,
        title=data["title"],
        as_of=data["as_of"],
        rules=rules,
        bases=bases,
        retention=kept,
        report_days=data["report_days"],
        letter=(letter["title"], letter["text"]),
        letter_days=letter["days"],
        letter_rule=letter["rule"],
        quiet=(first, last),
        rights=tuple(data["rights"]),
    )


def reason_letter(law: Regime, app: App, decision: Decision, institution: str) -> dict[str, Any]:
    """Write the letter that tells a person the reasons of a decision against what they asked for.

    Args:
        law: whose form it has.
        app: the application that decided.
        decision: what it decided.
        institution: who writes.

    Raises:
        UnknownName: if nothing was refused, or the regime has no letter.
    """
    if decision.outcome not in ADVERSE:
        raise UnknownName(
            "Reasons are owed where something was refused.", got=decision.outcome, do="see explain"
        )
    title, text = law.letter
    if not title:
        raise UnknownName(
            "No regime is chosen for this project.", do='write regime = "eu" under [project]'
        )
    currency = str(decision.row.get("currency") or "EUR")
    said = [sentence(app, r, currency=currency) for r in decision.reasons[:MOST_REASONS]]
    rule = law.rules[law.letter_rule]
    values = {
        "institution": institution,
        "application": app.title,
        "date": format_instant(decision.decided_at)[:10],
        "reference": decision.id,
        "reasons": "\n".join(f"{n}. {s}" for n, s in enumerate(said, 1)),
        "rule": rule.cites,
    }
    for name, value in values.items():
        title, text = title.replace(f"{{{name}}}", value), text.replace(f"{{{name}}}", value)
    due = decision.decided_at + law.letter_days * day
    return {
        "regime": law.name,
        "decision": decision.id,
        "title": title.strip(),
        "text": text.strip(),
        "rule": rule.cites,
        "due": format_instant(due),
        "codes": [r.code for r in decision.reasons[:MOST_REASONS]],
    }
