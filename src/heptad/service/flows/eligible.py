# SPDX-License-Identifier: Apache-2.0
"""The stage `eligible`: the terms of a product as rules of a flow, equal to `rules.eligibility`.

Whoever the terms exclude is declined; of whom a fact is not known is referred to people. No stage
before it may say yes, and no flow published for an application may leave out the stage of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.rules.eligibility import CLASSES
from heptad.service.rules.files import known_keys
from heptad.standards.errors import InputError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from heptad.engine.sql.documents import Document
    from heptad.engine.sql.documents import Path as Place
    from heptad.service.flows.flows import Flow, Stage

TERMS = (
    "product", "purpose", "basis", "youngest", "oldest", "residence", "licensed", "risk", "once",
    "person",
)  # fmt: skip
FACTS = ("age", "residence", "profile", "held", "agreed")
NEEDS = {"youngest": "age", "oldest": "age", "residence": "residence", "licensed": "residence",
         "risk": "profile", "once": "held"}  # fmt: skip
"""Term → the fact of a person that it is held against."""
YES = frozenset({"approve", "offer"})
SAYS: dict[str, tuple[str, str]] = {
    "AGE_UNKNOWN": ("the applicant's age is not known", "申请人年龄不明"),
    "TOO_YOUNG": ("{age} years old, below the least age of {youngest}", "{age} 岁,低于最低年龄 {youngest}"),
    "TOO_OLD": ("{age} years old, above the greatest age of {oldest}", "{age} 岁,高于最高年龄 {oldest}"),
    "RESIDENCE_UNKNOWN": ("the country of residence is not known", "居住国不明"),
    "RESIDENCE": ("not offered to residents of {residence}", "不向 {residence} 的居民提供"),
    "NO_LICENCE": ("the institution holds no licence for it in {residence}", "本机构在 {residence} 无此牌照"),
    "NO_PROFILE": ("no valid risk profile, which a product of class {risk} needs",
                   "缺少有效的风险承受能力评估,{risk} 级产品需要"),
    "TOO_RISKY": ("class {risk} is above what the profile {profile} bears",
                  "{risk} 级超出风险承受能力 {profile}"),
    "ALREADY_HELD": ("it is held already", "已持有该产品"),
    "NO_CONSENT": ("no consent to the purpose {purpose}", "未同意用途 {purpose}"),
}  # fmt: skip


def terms_as_rules(document: Document, path: Place, body: Any) -> list[dict[str, Any]]:
    """Return the rules, as YAML would have them, that hold the terms of a product.

    Raises:
        InputError: if a term is held against a fact that the stage does not name.
        UnknownName: for a term, a fact or a risk class that does not exist.
    """
    given = known_keys(document, path, body, TERMS)
    person = known_keys(document, (*path, "person"), given.get("person", {}), FACTS)
    for needed in ("product", "purpose", "basis"):
        if not isinstance(given.get(needed), str):
            raise InputError(
                f"An eligible stage names its {needed}.", place=document.place(path),
                do=f"write {needed}: …",
            )  # fmt: skip
    needs = {term: fact for term, fact in NEEDS.items() if given.get(term) not in (None, False)}
    if given["basis"] == "consent":
        needs["basis"] = "agreed"
    for term, fact in needs.items():
        if fact not in person:
            raise InputError(
                f"{term} is held against the person's {fact}, which the stage does not name.",
                place=document.place((*path, term)), do=f"write person: {{{fact}: {{column: …}}}}",
            )  # fmt: skip
    if given.get("risk") not in (None, *CLASSES):
        raise UnknownName(
            f"There is no risk class {given['risk']!r}.", got=given["risk"],
            place=document.place((*path, "risk")), do=suggest(str(given["risk"]), CLASSES),
        )  # fmt: skip
    return [_rule(*one) for one in (*_age(given, person), *_place(given, person),
                                    *_suits(given, person), *_ground(given, person))]  # fmt: skip


Made = tuple[str, Any, "Mapping[str, Any]"]


def _rule(code: str, when: Any, numbers: Mapping[str, Any]) -> dict[str, Any]:
    unknown = code in ("AGE_UNKNOWN", "RESIDENCE_UNKNOWN", "NO_PROFILE")
    english, chinese = SAYS[code]
    return {
        "code": code, "when": when, "outcome": "refer" if unknown else "decline",
        "numbers": dict(numbers), "says": {"en": english, "zh": chinese},
    }  # fmt: skip


def _age(given: Mapping[str, Any], person: Mapping[str, Any]) -> Iterator[Made]:
    limits = [n for n in ("youngest", "oldest") if given.get(n) is not None]
    if not limits:
        return
    age = person["age"]
    yield "AGE_UNKNOWN", {"missing": age}, {}
    for name in limits:
        code, beyond = ("TOO_YOUNG", "lt") if name == "youngest" else ("TOO_OLD", "gt")
        yield code, {beyond: [age, given[name]]}, {"age": age, name: given[name]}


def _place(given: Mapping[str, Any], person: Mapping[str, Any]) -> Iterator[Made]:
    limits = [("residence", "RESIDENCE"), ("licensed", "NO_LICENCE")]
    limits = [(n, code) for n, code in limits if given.get(n) is not None]
    if not limits:
        return
    where = person["residence"]
    yield "RESIDENCE_UNKNOWN", {"missing": where}, {}
    for name, code in limits:
        yield code, {"not": _among(where, given[name])}, {"residence": where}


def _among(value: Any, known: Sequence[Any]) -> Any:
    """Whether a value that is there is one of a list; of an empty list none is."""
    return {"in": [value, *known]} if known else {"ne": [value, value]}


def _suits(given: Mapping[str, Any], person: Mapping[str, Any]) -> Iterator[Made]:
    risk = given.get("risk")
    if risk is None:
        return
    profile = person["profile"]
    valid = {"coalesce": [{"in": [profile, *CLASSES]}, False]}
    bears = {"in": [profile, *CLASSES[CLASSES.index(risk) :]]}
    yield "NO_PROFILE", {"not": valid}, {"risk": risk}
    yield "TOO_RISKY", {"and": [valid, {"not": bears}]}, {"risk": risk, "profile": profile}


def _ground(given: Mapping[str, Any], person: Mapping[str, Any]) -> Iterator[Made]:
    if given["basis"] == "consent":
        refused = {"not": {"coalesce": [person["agreed"], False]}}
        yield "NO_CONSENT", refused, {"purpose": given["purpose"]}
    if given.get("once"):
        # Whether it is held is known or the product is not offered.
        yield "ALREADY_HELD", {"coalesce": [person["held"], True]}, {}


def refuse_early_yes(document: Document, stages: Sequence[Stage]) -> None:
    """Refuse a flow in which something says yes before the terms were looked at.

    Raises:
        InputError: naming the rule.
    """
    kinds = [stage.kind for stage in stages]
    if "eligible" not in kinds:
        return
    last = len(kinds) - 1 - kinds[::-1].index("eligible")
    for stage in stages[:last]:
        for rule in stage.rules.rules:
            if rule.outcome in YES:
                raise InputError(
                    f"{rule.code} says {rule.outcome} before the terms of the product are held.",
                    place=rule.place or document.name, do="move the eligible stage before it",
                )  # fmt: skip


def refuse_without_terms(own: Flow, other: Flow, name: str) -> None:
    """Refuse a flow that leaves out an eligible stage which the application's own flow has.

    Raises:
        InputError: naming the product whose terms are left out.
    """
    kept = {stage.product for stage in other.stages if stage.kind == "eligible"}
    for stage in own.stages:
        if stage.kind == "eligible" and stage.product not in kept:
            raise InputError(
                f"The flow does not hold the terms of {stage.product}.", place=name,
                do=f"keep the stage eligible with product: {stage.product}",
            )  # fmt: skip
