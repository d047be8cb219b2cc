# SPDX-License-Identifier: Apache-2.0
"""The gate: of the list that was proposed, what this person may be offered, and why not the rest.

Whatever ranks, blends or falls back, its list ends here: a pure function of what is known of the
person as of the visit, recorded and replayed like any decision.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from heptad.analysis.recommend.reranking import HOW
from heptad.service.app import Outcome, Reason
from heptad.service.rules.eligibility import House, Person, Terms, admit
from heptad.standards.errors import ContractError, HeptadError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from heptad.service.app import Inputs, Plain

PURPOSE = "advice"
POLICY: dict[str, bool | int | float | str] = {
    "licences": "", "n": 10, "rerank": "mmr", "variety": 0.2, "value": 0.0, "quotas": "",
    "explore": 0.0, "budget_ms": 100, "trial": 0.0, "shadow": False,
    "sequence": 0,
}  # fmt: skip
"""`licences` as "GR:funds DE:funds,insurance"; `n` items a list; `rerank` varies it by `mmr`, `dpp`,
or `calibrated` to the customer's own mix, with the weight `variety`; `value` weighs expected return
against preference; `quotas` as "energy:2 bonds:5" is the most of a category; `explore` the share of lists whose last place is drawn;
`budget_ms` until a list is cut short; `trial` the share of customers whose lists the challenger
makes; `shadow` whether the other ranker is asked too, without being shown; `sequence` the epochs for
which a sequence model is trained as one more recall (it needs the extra `deep`), 0 for none."""
WHY = frozenset({"BECAUSE", "GOES_WITH", "ALIKE", "POPULAR", "NEW", "DRAWN"})
"""Why an item is in a list."""


def decide(x: Inputs) -> Outcome:
    """Offer what was proposed and is admitted; skip where nothing is left."""
    slate = _slate(x.row.get("slate"))
    person = person_of(x.row, x.features, slate["held"])
    house = house_of(x.policy)
    reasons: list[Reason] = []
    left: Counter[str] = Counter(slate["left"])
    for entry in slate["items"]:
        terms = terms_of(entry)
        if terms is None:
            left["NO_TERMS"] += 1
            continue
        admitted, excluded = admit(person, [terms], house)
        left.update({e.code for e in excluded})
        if admitted:
            reasons.append(_reason(entry, len(reasons) + 1))
    found = bool(reasons)
    reasons += [Reason(code, {"items": n}) for code, n in sorted(left.items())]
    reasons += _found(slate)
    return Outcome("offer" if found else "skip", reasons or [Reason("NOTHING")])


def _slate(text: Plain) -> dict[str, Any]:
    """Read a proposed list; what is none is empty."""
    empty: dict[str, Any] = {"items": [], "left": {}, "steps": [], "held": []}
    try:
        given = json.loads(text) if isinstance(text, str) else empty
    except ValueError:
        return empty
    if not isinstance(given, dict):
        return empty
    items, left, steps, held = (given.get(name) for name in ("items", "left", "steps", "held"))
    return {
        "items": [e for e in items if isinstance(e, dict)] if isinstance(items, list) else [],
        "left": {
            str(code): n for code, n in (left if isinstance(left, dict) else {}).items()
            if isinstance(n, int) and n > 0
        },
        "steps": steps if isinstance(steps, list) else [],
        "held": [str(name) for name in held] if isinstance(held, list) else [],
        "fallback": str(given.get("fallback") or ""),
    }  # fmt: skip


def person_of(row: Mapping[str, Plain], features: Mapping[str, Any], held: Iterable[str]) -> Person:
    """Return what is known of who looks, as the terms of items ask for it."""
    return Person(
        subject=f"Customer:{row.get('customer')}",
        age=features["age"],
        residence=features["residence"],
        profile=features["profile"],
        held=frozenset(held),
    )


def check(policy: Mapping[str, Plain]) -> None:
    """Refuse policy values that no list can be made by.

    Raises:
        ContractError: naming the value.
    """
    for part in str(policy["licences"]).split():
        country, _, names = part.partition(":")
        if not country or not all(names.split(",")):
            raise ContractError(
                "Each entry of the policy value licences is a country and what is licensed there.",
                got=part,
                do='write it as "GR:funds DE:funds,insurance"',
            )
    quotas_of(policy)
    if policy["rerank"] not in HOW:
        raise ContractError(
            "The policy value rerank names no way to vary a list.",
            got=policy["rerank"],
            do=suggest(str(policy["rerank"]), HOW),
        )
    for name in ("variety", "value", "explore", "trial"):
        share = policy[name]
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise ContractError(f"The policy value {name} lies between 0 and 1.", got=share)


def house_of(policy: Mapping[str, Plain]) -> House:
    """Return what the institution is licensed for, from the policy value `licences`."""
    licences = {}
    for part in str(policy["licences"]).split():
        country, _, names = part.partition(":")
        licences[country] = frozenset(names.split(","))
    return House(licences, {PURPOSE: "contract"})


def quotas_of(policy: Mapping[str, Plain]) -> dict[str, int]:
    """Return the most of each category in one list, from the policy value `quotas`.

    Raises:
        ContractError: if an entry is no category with a whole number after a colon.
    """
    found = {}
    for part in str(policy["quotas"]).split():
        name, _, most = part.rpartition(":")
        if not name or not most.isascii() or not most.isdigit():
            raise ContractError(
                "Each entry of the policy value quotas is a category and a whole number.",
                got=part,
                do='write it as "energy:2 bonds:5"',
            )
        found[name] = int(most)
    return found


def terms_of(entry: Mapping[str, Any]) -> Terms | None:
    """Return the terms of an item, None where they are not written as they must be."""
    residence = entry.get("residence")
    try:
        return Terms(
            product=str(entry["item"]),
            purpose=PURPOSE,
            youngest=_whole(entry.get("youngest")),
            oldest=_whole(entry.get("oldest")),
            residence=frozenset(str(residence).split("|")) if residence else None,
            licence=str(entry.get("licence") or ""),
            risk=str(entry.get("risk") or ""),
            once=not entry.get("again"),
        )
    except (KeyError, ValueError, TypeError, HeptadError):
        return None


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _reason(entry: Mapping[str, Any], place: int) -> Reason:
    code = str(entry.get("why"))
    numbers: dict[str, Plain] = {
        "place": place,
        "item": str(entry["item"]),
        "title": str(entry.get("title") or entry["item"]),
        "because": str(entry.get("because") or ""),
        "propensity": entry.get("propensity")
        if isinstance(entry.get("propensity"), float)
        else 1.0,
    }
    return Reason(code if code in WHY else "POPULAR", numbers)


def _found(slate: Mapping[str, Any]) -> Iterator[Reason]:
    """Say how many items each step left, and how long all of them took."""
    steps = {s[0]: s for s in slate["steps"] if isinstance(s, list) and len(s) == 4}
    if {"allowed", "recall", "rank", "re-rank"} <= steps.keys():
        yield Reason(
            "STEPS",
            {
                "all": steps["allowed"][1], "allowed": steps["allowed"][2],
                "recalled": steps["recall"][2], "ranked": steps["rank"][2],
                "shown": steps["re-rank"][2], "microseconds": sum(s[3] for s in steps.values()),
            },
        )  # fmt: skip
    if slate.get("fallback"):
        yield Reason("FALLBACK", {"why": slate["fallback"]})
