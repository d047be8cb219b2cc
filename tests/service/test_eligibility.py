# SPDX-License-Identifier: Apache-2.0
"""Nobody is offered what the terms of a product exclude, whatever is known or tried."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.service.rules.eligibility import (
    CLASSES,
    Admitted,
    House,
    Person,
    Terms,
    admit,
    read_terms,
)
from heptad.standards.errors import HeptadError, Refused

PURPOSES = st.sampled_from(["marketing", "service", "unknown"])
COUNTRIES = st.sampled_from(["ES", "FR", "US", "es", ""])
PERSONS = st.builds(
    Person,
    subject=st.just("Customer:1"),
    age=st.none() | st.integers(-1, 120),
    residence=st.none() | COUNTRIES,
    profile=st.none() | st.sampled_from([*CLASSES, "R6", "", "r1"]),
    held=st.frozensets(st.sampled_from(["p", "q"])),
    agreed=st.frozensets(PURPOSES),
)
TERMS = st.builds(
    Terms,
    product=st.sampled_from(["p", "q"]),
    purpose=PURPOSES,
    youngest=st.none() | st.integers(0, 30),
    oldest=st.none() | st.integers(50, 99),
    residence=st.none() | st.frozensets(COUNTRIES),
    licence=st.sampled_from(["", "funds"]),
    risk=st.sampled_from(["", *CLASSES]),
    once=st.booleans(),
)
HOUSE = House({"ES": frozenset({"funds"})}, {"marketing": "consent", "service": "contract"})


def allowed(person, terms):
    """The terms once more, as a lawyer would write them."""
    basis = HOUSE.bases.get(terms.purpose)
    return all([
        terms.youngest is None or (person.age is not None and person.age >= terms.youngest),
        terms.oldest is None or (person.age is not None and person.age <= terms.oldest),
        terms.residence is None or person.residence in terms.residence,
        not terms.licence or terms.licence in HOUSE.licences.get(person.residence, ()),
        not terms.risk
        or (person.profile in CLASSES and int(person.profile[1]) >= int(terms.risk[1])),
        not terms.once or terms.product not in person.held,
        basis is not None and (basis != "consent" or terms.purpose in person.agreed),
    ])  # fmt: skip


@settings(max_examples=400)
@given(person=PERSONS, terms=st.lists(TERMS, max_size=4))
def test_what_is_admitted_is_allowed_and_what_is_not_has_a_code(person, terms):
    admitted, excluded = admit(person, terms, HOUSE)
    assert [a.product for a in admitted] == [t.product for t in terms if allowed(person, t)]
    kept = [a.product for a in admitted]
    for one in terms:
        if not allowed(person, one):
            assert any(e.product == one.product and e.code for e in excluded)
    assert len(kept) + len({id(t) for t in terms if not allowed(person, t)}) == len(terms)


@given(person=PERSONS, terms=TERMS)
def test_knowing_less_never_admits_more(person, terms):
    less = Person(person.subject, held=person.held)
    if admit(less, [terms], HOUSE)[0]:
        assert admit(Person(person.subject, 40, "ES", "R5", person.held, frozenset({"marketing"})),
                     [Terms(terms.product, terms.purpose, once=terms.once)], HOUSE)[0]  # fmt: skip
        assert terms.youngest is None
        assert terms.oldest is None
        assert not terms.risk


def test_no_other_way_leads_around_it():
    (made,), _ = admit(Person("Customer:1"), [Terms("p", "service")], HOUSE)
    with pytest.raises(Refused):
        Admitted("Customer:1", "p")
    with pytest.raises(Refused):
        made.product = "q"
    with pytest.raises(Refused):
        pickle.dumps(made)
    with pytest.raises(Refused):
        copy.copy(made)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("fund:\n  purpose: marketing\n  yongest: 18\n", "products.yaml line 3"),
        ("fund:\n  purpose: marketing\n  risk: R7\n", "products.yaml line 3"),
        ("fund:\n  youngest: 18\n", "products.yaml line 1"),
        ("fund:\n  purpose: marketing\n  youngest: old\n", "products.yaml line 3"),
    ],
)
def test_terms_in_yaml_name_the_line_of_an_error(text, place):
    with pytest.raises(HeptadError) as met:
        read_terms(text)
    assert met.value.place == place


def test_terms_are_read():
    (terms,) = read_terms(
        "fund:\n  purpose: marketing\n  youngest: 18\n  residence: [ES, NO]\n  risk: R4\n"
    )
    assert terms == Terms("fund", "marketing", 18, residence=frozenset({"ES", "NO"}), risk="R4")
    person = Person("Customer:1", 30, "ES", "R3", agreed=frozenset({"marketing"}))
    (exclusion,) = admit(person, [terms], HOUSE)[1]
    assert (exclusion.code, exclusion.numbers) == ("TOO_RISKY", {"risk": "R4", "profile": "R3"})
