# SPDX-License-Identifier: Apache-2.0
"""The tree of an expression: built by Python's operators, read from JSON, bounded everywhere."""

from __future__ import annotations

import enum
import functools
import json
import operator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.standards.errors import ContractError, HeptadError, InputError
from heptad.standards.expression import (
    DEEPEST,
    LARGEST,
    LONGEST,
    OPERATORS,
    Call,
    Column,
    Expression,
    Value,
    call,
    coalesce,
    column,
    contains,
    from_json,
    greatest,
    least,
    length,
    lower,
    operand,
    same,
    starts,
    upper,
    when,
)
from heptad.standards.functions import FUNCTIONS
from heptad.standards.model import Payment

A, B = column("a"), column("b")

BUILT: list[tuple[Any, dict[str, Any]]] = [
    (A == 1, {"eq": [{"column": "a"}, 1]}),
    (A != 1, {"ne": [{"column": "a"}, 1]}),
    (A < 1, {"lt": [{"column": "a"}, 1]}),
    (A <= 1, {"le": [{"column": "a"}, 1]}),
    (A > 1, {"gt": [{"column": "a"}, 1]}),
    (A >= 1, {"ge": [{"column": "a"}, 1]}),
    (A > 1, {"gt": [{"column": "a"}, 1]}),
    (A + 1, {"add": [{"column": "a"}, 1]}),
    (1 + A, {"add": [1, {"column": "a"}]}),
    (A - 1, {"sub": [{"column": "a"}, 1]}),
    (1 - A, {"sub": [1, {"column": "a"}]}),
    (A * 2.5, {"mul": [{"column": "a"}, 2.5]}),
    (2.5 * A, {"mul": [2.5, {"column": "a"}]}),
    (A / B, {"div": [{"column": "a"}, {"column": "b"}]}),
    (1 / A, {"div": [1, {"column": "a"}]}),
    (-A, {"neg": [{"column": "a"}]}),
    (abs(A), {"abs": [{"column": "a"}]}),
    (~A, {"not": [{"column": "a"}]}),
    (A & B, {"and": [{"column": "a"}, {"column": "b"}]}),
    (True & A, {"and": [True, {"column": "a"}]}),
    (A | B, {"or": [{"column": "a"}, {"column": "b"}]}),
    (False | A, {"or": [False, {"column": "a"}]}),
    (A & B & A, {"and": [{"column": "a"}, {"column": "b"}, {"column": "a"}]}),
    (A & B | A, {"or": [{"and": [{"column": "a"}, {"column": "b"}]}, {"column": "a"}]}),
    (A & (B & A), {"and": [{"column": "a"}, {"and": [{"column": "b"}, {"column": "a"}]}]}),
    (A.isin(["x", None]), {"in": [{"column": "a"}, "x", None]}),
    (A.between(1, B), {"between": [{"column": "a"}, 1, {"column": "b"}]}),
    (A.is_missing(), {"missing": [{"column": "a"}]}),
    (coalesce(A, 0), {"coalesce": [{"column": "a"}, 0]}),
    (when(A, 1, 2), {"if": [{"column": "a"}, 1, 2]}),
    (least(A, 1), {"least": [{"column": "a"}, 1]}),
    (greatest(A, 1), {"greatest": [{"column": "a"}, 1]}),
    (lower(A), {"lower": [{"column": "a"}]}),
    (upper(A), {"upper": [{"column": "a"}]}),
    (length(A), {"length": [{"column": "a"}]}),
    (starts(A, "x"), {"starts": [{"column": "a"}, "x"]}),
    (contains(A, "x"), {"contains": [{"column": "a"}, "x"]}),
    (Payment.amount > 5, {"gt": [{"column": "amount"}, 5]}),
    *(
        (call(f.name, *[A] * len(f.takes)), {f.name: [{"column": "a"}] * len(f.takes)})
        for f in FUNCTIONS.values()
    ),
]


@pytest.mark.parametrize(("tree", "document"), BUILT)
def test_operators_build_the_tree_that_json_says(tree: Expression, document: object) -> None:
    assert tree.to_json() == document
    assert same(from_json(document), tree)


def test_every_operator_can_be_built_from_python() -> None:
    assert {node.op for tree, _ in BUILT for node in tree.walk() if isinstance(node, Call)} == set(
        OPERATORS
    )


def test_the_tree_reads_as_people_write() -> None:
    tree = (Payment.amount * 2 > 100) & (Payment.country != "CN") | Payment.status.is_missing()
    assert str(tree) == "(((amount * 2) > 100) and (country ≠ 'CN')) or missing(status)"
    assert str(operand(None)) == "null"
    assert str(operand(True)) == "true"
    assert str(operand(date(2026, 3, 1))) == "2026-03-01"


def test_columns_and_walk_see_every_node() -> None:
    tree = (A > 1) & ~B.is_missing() | (A + column("c") == 2)
    assert tree.columns() == {"a", "b", "c"}
    assert len(list(tree.walk())) == tree.size == 13
    assert next(iter(tree.walk())) is tree
    assert tree.depth == 5


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: bool(A == 1),
        lambda: 1 if A else 2,
        lambda: (A > 1) and (B > 1),
        lambda: 0 < A < 5,
        lambda: A in (B, A),
    ],
)
def test_an_expression_is_never_true_or_false_by_accident(wrong: Any) -> None:
    with pytest.raises(TypeError, match="no truth of its own"):
        wrong()


class Colour(enum.StrEnum):
    RED = "red"


def test_plain_values_become_constants() -> None:
    assert operand(Colour.RED).to_json() == "red"
    assert type(operand(Colour.RED).value) is str  # type: ignore[attr-defined]
    assert operand(date(2026, 3, 1)).to_json() == "2026-03-01"
    cet = timezone(timedelta(hours=1))
    assert operand(datetime(1970, 1, 1, 1, 0, 1, tzinfo=cet)).to_json() == 1_000_000
    with pytest.raises(ContractError, match="time zone"):
        operand(datetime(2026, 1, 1))  # noqa: DTZ001
    assert operand(datetime(2026, 1, 1, tzinfo=UTC)).to_json() == 1767225600000000


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**63, -(2**63) - 1, b"x", [1], (1,), {"a"}, object(), 1j,
     "\ud800", "x" * (LONGEST + 1)],
)  # fmt: skip
def test_values_that_no_store_holds_are_refused(value: object) -> None:
    with pytest.raises(InputError):
        operand(value)
    with pytest.raises(InputError):
        value == A  # noqa: B015 - the comparison itself raises


def test_isin_wants_a_list() -> None:
    with pytest.raises(InputError, match=r"write \['CN'\]"):
        A.isin("CN")
    with pytest.raises(InputError, match="takes 2 to 1025"):
        A.isin([])
    assert A.isin(str(n) for n in range(1024)).size == 1026


def test_a_chain_of_conditions_stays_flat() -> None:
    conditions = [n == A for n in range(500)]
    tree = functools.reduce(operator.or_, conditions)
    assert tree.depth < 12
    assert tree.columns() == {"a"}


def test_depth_is_limited_wherever_a_tree_comes_from() -> None:
    tree: Expression = A
    for _ in range(DEEPEST - 1):
        tree = -tree
    assert tree.depth == DEEPEST
    with pytest.raises(InputError, match="64 levels"):
        operator.neg(tree)
    document: Any = {"column": "a"}
    for _ in range(DEEPEST - 1):
        document = {"neg": [document]}
    assert from_json(document).depth == DEEPEST
    for levels in (1, 10_000):
        deeper = document
        for _ in range(levels):
            deeper = {"neg": deeper}
        with pytest.raises(InputError, match="64 levels"):
            from_json(deeper)


def test_size_is_limited_even_where_nodes_are_shared() -> None:
    tree: Expression = A
    for _ in range(11):
        tree = tree + tree
    assert tree.size == LARGEST - 1
    with pytest.raises(InputError, match="4096 parts"):
        operator.add(tree, tree)
    shared: Any = {"column": "a"}
    for _ in range(60):
        shared = {"add": [shared, shared]}
    with pytest.raises(InputError, match="4096 parts"):
        from_json(shared)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"equals": [1, 2]}, "does not exist"),
        ({"eq": [1]}, "'eq' takes 2 arguments"),
        ({"eq": [1, 2, 3]}, "'eq' takes 2 arguments"),
        ({"and": []}, "takes 1 to 64"),
        ({"in": [1]}, "takes 2 to 1025"),
        ({}, "Each part"),
        ({"eq": [1, 2], "ne": [1, 2]}, "Each part"),
        ({"column": 5}, "named by text"),
        ({"column": ""}, "named by text"),
        ({"column": ["a"]}, "named by text"),
        ({"column": "\ud800"}, "Unicode"),
        ([1, 2], "takes text"),
        ({5: [1]}, "does not exist"),
        ({None: [1]}, "does not exist"),
        ({"x" * 10**6: [1]}, "does not exist"),
        ({"eq": [1, [2]]}, "takes text"),
        ({"eq": [10**5000, 2]}, "64-bit"),
    ],
)
def test_a_wrong_document_says_what_is_wrong(document: object, words: str) -> None:
    with pytest.raises(InputError) as caught:
        from_json(document)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_an_unknown_operator_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'between'"):
        from_json({"betwen": [1, 2, 3]})
    with pytest.raises(InputError, match="did you mean 'coalesce'"):
        Call("coalesc", (A,))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
)
TREES = st.recursive(
    st.one_of(SCALARS.map(Value), st.text(min_size=1, max_size=10).map(column)),
    lambda inner: st.sampled_from(sorted(OPERATORS)).flatmap(
        lambda op: st.lists(
            inner, min_size=OPERATORS[op][0], max_size=min(OPERATORS[op][1], 4)
        ).map(lambda parts: Call(op, tuple(parts)))
    ),
    max_leaves=15,
)


@given(tree=TREES)
def test_json_gives_the_tree_back(tree: Expression) -> None:
    text = json.dumps(tree.to_json())
    assert same(from_json(json.loads(text)), tree)
    assert str(tree)
    assert tree.size == len(list(tree.walk()))


@given(one=TREES, other=TREES)
def test_two_trees_are_the_same_exactly_if_their_json_is(
    one: Expression, other: Expression
) -> None:
    assert same(one, one)
    texts = [json.dumps(tree.to_json(), sort_keys=True) for tree in (one, other)]
    assert same(one, other) == (texts[0] == texts[1])


def test_one_and_true_and_one_point_nought_are_different() -> None:
    values = [1, 1.0, True, "1", None, 0, 0.0, -0.0, False, ""]
    for n, left in enumerate(values):
        for m, right in enumerate(values):
            assert same(Value(left), Value(right)) == (n == m)
    assert not same(A, B)
    assert not same(A, Value("a"))
    assert not same(A + B, A - B)
    assert not same(Call("and", (A,)), Call("and", (A, A)))
    assert same(Column("amount"), Payment.amount.expression())


KEYS = st.one_of(
    st.sampled_from([*sorted(OPERATORS), "column", "op", ""]),
    st.text(max_size=5),
    st.integers(),
    st.none(),
    st.tuples(st.integers()),
)
NOISE = st.recursive(
    st.one_of(SCALARS, st.floats(), st.integers(), st.binary(max_size=5), st.dates(), st.just("\udfff"),
              st.just(10**4000), st.decimals(), st.complex_numbers()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(KEYS, inner, max_size=2),
        st.tuples(inner, inner), st.dictionaries(KEYS, st.lists(inner, max_size=4), max_size=1),
    ),
    max_leaves=25,
)  # fmt: skip


def attempt(document: object) -> tuple[Expression | None, HeptadError | None]:
    try:
        return from_json(document), None
    except HeptadError as error:
        return None, error


@settings(max_examples=500)
@given(document=NOISE)
def test_any_document_is_a_tree_or_a_clear_error(document: object) -> None:
    tree, error = attempt(document)
    if tree is None:
        assert error is not None
        assert error.to_dict()["status"] == 422
        assert error.do
        return
    json.dumps(tree.to_json())
    assert from_json(tree.to_json()).size == tree.size


@pytest.mark.parametrize("shape", [list, dict])
def test_a_bottomless_document_ends_in_an_error(shape: type) -> None:
    document: Any = 1
    for _ in range(100_000):
        document = [document] if shape is list else {"not": document}
    with pytest.raises(InputError) as caught:
        from_json(document)
    assert len(str(caught.value)) < 1000


def test_a_wide_document_ends_in_an_error() -> None:
    with pytest.raises(InputError):
        from_json({"and": [True] * 10**6})
    with pytest.raises(InputError):
        from_json({"in": [[1] * 10**6] * 1000})


class Counted(dict[str, Any]):
    """A document that counts how often it is looked into."""

    looks = 0

    def items(self) -> Any:
        Counted.looks += 1
        return super().items()


def test_a_document_that_repeats_itself_is_given_up_early() -> None:
    part: Any = Counted(column="a")
    for _ in range(10):
        part = Counted(add=[part, part])
    with pytest.raises(InputError, match="4096 parts"):
        from_json(Counted({"and": [Counted({"or": [part] * 64})] * 64}))
    assert LARGEST - 2 <= Counted.looks <= LARGEST
