# SPDX-License-Identifier: Apache-2.0
"""Errors say what happened, show the value and name the cure, whatever the value is."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heptad.standards import errors
from heptad.standards.errors import ContractError, HeptadError, InputError, suggest

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HeptadError)
]


def test_an_error_reads_as_the_design_says() -> None:
    error = ContractError(
        "Payment.amount must be at least 0.",
        got=-5,
        do="see the rows with `heptad quarantine show Payment`.",
        place="payments.csv line 7",
    )
    assert str(error) == (
        "Payment.amount must be at least 0.\n"
        "  got:  -5\n"
        "  in:   payments.csv line 7\n"
        "  do:   see the rows with `heptad quarantine show Payment`."
    )
    assert str(ContractError("Only this.")) == "Only this."


def test_the_problem_document_is_rfc_9457() -> None:
    document = InputError("A file is empty.\nReally.", got="", do="add rows").to_dict()
    assert document == {
        "type": "urn:heptad:error:input", "title": "A file is empty.", "status": 422,
        "code": "input", "detail": "A file is empty.\nReally.", "do": "add rows",
    }  # fmt: skip
    assert InputError("").to_dict()["title"] == "input"


def test_codes_are_stable_and_distinct() -> None:
    table = {kind.__name__: (kind.code, kind.status, kind.exit) for kind in KINDS}
    assert table == {
        "HeptadError": ("heptad", 500, 1), "ContractError": ("contract", 422, 3),
        "InputError": ("input", 422, 3), "UnknownName": ("unknown", 404, 4),
        "Conflict": ("conflict", 409, 5), "Refused": ("refused", 403, 6),
        "Unauthorised": ("unauthorised", 401, 6), "Busy": ("busy", 503, 7),
        "Corrupt": ("corrupt", 500, 8),
    }  # fmt: skip
    assert len({code for code, _, _ in table.values()}) == len(table)


@pytest.mark.parametrize("kind", KINDS)
def test_errors_cross_a_process_boundary(kind: type[HeptadError]) -> None:
    error = kind("What.", got=(1, "x"), do="this", place="here")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), copy.got, copy.to_dict()) == (str(error), (1, "x"), error.to_dict())


@pytest.mark.parametrize(
    ("got", "shown"),
    [
        (None, None), ("", ""), ("x" * 200, "x" * 200), ("x" * 201, "x" * 200 + "…"), (0, "0"),
        (False, "False"), ("a\nb\x00\x1b[31m", "a\\nb\\x00\\x1b[31m"), ("\ud800", "\\ud800"),
        (["id", "key"], "['id', 'key']"), (b"\xff", "b'\\xff'"), (-5, "-5"),
    ],
)  # fmt: skip
def test_the_value_is_shown_short_and_printable(got: object, shown: str | None) -> None:
    assert InputError("x", got=got).shown == shown


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_no_value_can_break_its_error() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    loop: Any = {}
    loop["me"] = loop
    for got in (
        10**5000,
        deep,
        loop,
        Hostile(),
        [Hostile()],
        list(range(10**6)),
        {"k": "x" * 10**7},
    ):
        error = InputError("x", got=got)
        assert error.shown is not None
        assert len(error.shown) <= 201
        json.dumps(error.to_dict())


VALUES = st.recursive(
    st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.none(), st.just("\ud8ff")),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(what=st.text(min_size=1), got=VALUES, do=st.text(), place=st.text())
def test_the_shown_value_is_bounded_and_printable(
    what: str, got: object, do: str, place: str
) -> None:
    error = ContractError(what, got=got, do=do, place=place)
    assert (error.shown is None) == (got is None)
    shown = error.shown or ""
    assert len(shown) <= 8 * 200 + 1
    assert shown.isprintable()
    assert str(error).replace("\n", "").isprintable()
    if what.isprintable():
        assert str(error).startswith(what)
    json.dumps(error.to_dict())


@pytest.mark.parametrize(
    "number", ["4012888888881881", "4012 8888 8888 1881", "4012-8888-88881881"]
)
def test_no_card_number_is_shown_whole(number: str) -> None:
    error = InputError(
        f"No column {number!r}.", got=["x", number], do=f"add {number}", place=f"{number}.csv"
    )
    told = str(error) + json.dumps(error.to_dict())
    assert number not in told
    assert told.count("401288•••1881") == 4
    assert InputError("x", got="y" * 195 + number).shown == "y" * 195 + "40128…"
    assert InputError("x", got="4012888888881882").shown == "4012888888881882"


def test_suggestions_find_the_nearest_name() -> None:
    names = ["Payment", "Customer", "LoanApplication"]
    assert suggest("Paymnt", names) == "did you mean 'Payment'?"
    assert suggest("payment", names) == "did you mean 'Payment'?"
    assert suggest("LOANAPPLICATION", names) == "did you mean 'LoanApplication'?"
    assert suggest("zzz", names) == "use one of: Customer, LoanApplication, Payment"
    assert suggest("zzz", []) == "there is none yet."
    assert suggest("zzz", [f"n{i:02}" for i in range(20)]).endswith("n11, …")
    assert suggest("id", ["ID", "Id"]) == "did you mean 'ID'?"


@given(word=st.text(max_size=30), names=st.lists(st.text(max_size=10), max_size=20))
def test_a_suggestion_names_only_what_is_known(word: str, names: list[str]) -> None:
    text = suggest(word, names)
    if text.startswith("did you mean "):
        assert any(text == f"did you mean {name!r}?" for name in names)
    assert not names or repr(word) == repr("") or text
    for name in names:
        assert suggest(name, names).startswith("did you mean") or name == ""
