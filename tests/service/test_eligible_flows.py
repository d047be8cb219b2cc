# SPDX-License-Identifier: Apache-2.0
"""The terms of a product as a stage of a flow: equal to `admit`, and not to be passed around."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.apps.credit.decide import flow as credit
from heptad.engine.batch.columns import Frame
from heptad.engine.sql.documents import Document
from heptad.service.flows.eligible import terms_as_rules
from heptad.service.rules.eligibility import CLASSES, House, Person, Terms, exclusions
from heptad.service.rules.files import Names, rules
from heptad.standards.errors import HeptadError, InputError, UnknownName

SCHEMA = {
    "age": "integer",
    "residence": "text",
    "profile": "text",
    "held": "flag",
    "agreed": "flag",
}
COUNTRIES = st.sampled_from(["ES", "FR", "US", ""])
PERSONS = st.fixed_dictionaries({
    "age": st.none() | st.integers(-1, 120), "residence": st.none() | COUNTRIES,
    "profile": st.none() | st.sampled_from([*CLASSES, "R6", "r1"]), "held": st.booleans(),
    "agreed": st.booleans(),
})  # fmt: skip
TERMS = st.fixed_dictionaries({
    "youngest": st.none() | st.integers(0, 30), "oldest": st.none() | st.integers(50, 99),
    "residence": st.none() | st.lists(COUNTRIES, unique=True, max_size=3),
    "licensed": st.none() | st.lists(COUNTRIES, unique=True, max_size=2),
    "risk": st.none() | st.sampled_from(CLASSES), "once": st.booleans(),
    "basis": st.sampled_from(["contract", "consent"]),
})  # fmt: skip


def ruled(terms: dict[str, Any]) -> Any:
    """Terms as the rules of a stage."""
    body = {n: v for n, v in terms.items() if v is not None} | {
        "product": "p", "purpose": "marketing", "person": {n: {"column": n} for n in SCHEMA}
    }  # fmt: skip
    document = Document("{}", "terms.yaml")
    return rules(document, (), terms_as_rules(document, (), body), Names(dict(SCHEMA)))


def admitted(person: dict[str, Any], terms: dict[str, Any]) -> set[str]:
    """The codes by which `admit` excludes the same person."""
    given = Person("Customer:1", person["age"], person["residence"], person["profile"],
                   frozenset("p" if person["held"] else ""),
                   frozenset({"marketing"} if person["agreed"] else ()))  # fmt: skip
    where = terms["residence"]
    licensed = terms["licensed"]
    house = House({c: frozenset({"l"}) for c in licensed or ()}, {"marketing": terms["basis"]})
    made = Terms("p", "marketing", terms["youngest"], terms["oldest"],
                 None if where is None else frozenset(where), "l" if licensed is not None else "",
                 terms["risk"] or "", terms["once"])  # fmt: skip
    return {e.code for e in exclusions(given, made, house)}


@settings(max_examples=300, deadline=None)
@given(person=PERSONS, terms=TERMS)
def test_the_stage_excludes_whom_admit_excludes_by_the_same_codes(person, terms):
    made = ruled(terms)
    fired = {made.rules[n].code for n in made.fired(person)}
    assert fired == admitted(person, terms)
    assert all(made.rules[n].outcome in ("decline", "refer") for n in made.fired(person))


@settings(max_examples=20, deadline=None)
@given(people=st.lists(PERSONS, min_size=1, max_size=30), terms=TERMS)
def test_row_batch_and_sql_agree(people, terms):
    made = ruled(terms)
    rows = [[n in made.fired(person) for n in range(len(made.rules))] for person in people]
    arrow = {"integer": pa.int64(), "text": pa.string(), "flag": pa.bool_()}
    cells = {n: pa.array([p[n] for p in people], arrow[kind]) for n, kind in SCHEMA.items()}
    by_column = [fires.tolist() for fires in made.each(Frame(cells, len(people)))]
    assert [list(one) for one in zip(*by_column, strict=True)] == (rows if made.rules else [])
    if not made.rules:
        return
    people_table = pa.table(cells)
    asked = ", ".join(f"coalesce({text}, false)" for text in made.sql())
    with duckdb.connect() as duck:
        duck.register("people", people_table)
        found = duck.execute(f"SELECT {asked} FROM people").fetchall()
    assert [list(one) for one in found] == rows


def own(text: str = "") -> str:
    return credit.path.read_text(encoding="utf-8").replace(*text.split("=>")) if text else (
        credit.path.read_text(encoding="utf-8"))  # fmt: skip


def test_no_flow_of_the_application_leaves_the_terms_out():
    text = own()
    start, end = text.index("- name: identification"), text.index("- name: credit review")
    with pytest.raises(InputError, match="terms of consumer_loan"):
        credit.read(text[:start] + text[end:], "flow.yaml")
    with pytest.raises(InputError, match="terms of consumer_loan"):
        credit.read(own("product: consumer_loan=>product: another"), "flow.yaml")


@pytest.mark.parametrize("outcome", ["approve", "offer"])
@pytest.mark.parametrize("kind", ["prefilter", "checks", "policy"])
def test_nothing_says_yes_before_the_terms(kind, outcome):
    early = f"stages:\n- name: early\n  {kind}:\n  - {{code: FRIEND, when: {{eq: [{{column: term}}, 12]}}, outcome: {outcome}}}\n"
    with pytest.raises(InputError, match="before the terms"):
        credit.read(own().replace("stages:\n", early), "flow.yaml")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("    basis: contract\n=>", "names its basis"),
        ("basis: contract=>basis: consent", "agreed"),
        ("    youngest:=>    yongest:", "yongest"),
        ("    basis: contract\n=>    basis: contract\n    risk: R2\n", "profile"),
        ("person: {age: {column: age}}=>person: {}", "person's age"),
    ],
)
def test_mistakes_name_their_place_and_cure(change, says):
    with pytest.raises((InputError, UnknownName)) as refused:
        credit.read(own(change), "flow.yaml")
    assert says in str(refused.value.to_dict())
    assert "flow.yaml" in str(refused.value.to_dict())


def test_an_unknown_risk_class_is_told():
    with pytest.raises(HeptadError, match="no risk class"):
        credit.read(
            own("person: {age: {column: age}}=>person: {age: {column: age}, profile: {column: "
                "purpose}}\n    risk: R9"), "flow.yaml")  # fmt: skip
