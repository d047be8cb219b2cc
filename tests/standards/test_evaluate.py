# SPDX-License-Identifier: Apache-2.0
"""Types of expressions and their values on one row."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heptad.standards import Code, Flag, Instant, Integer, Money, Number, Place, Ref, Table, Text
from heptad.standards.errors import ContractError, HeptadError, UnknownName
from heptad.standards.evaluate import check, compile_row, condition, resolve, units
from heptad.standards.expression import (
    OPERATORS,
    Call,
    Value,
    coalesce,
    column,
    contains,
    from_json,
    greatest,
    least,
    length,
    lower,
    starts,
    upper,
    when,
)
from heptad.standards.fields import Day
from heptad.standards.model import Customer, Label, Payment

MOST, LEAST = 2**63 - 1, -(2**63)
NULL = None


class Trade(Table):
    """One trade, made up for these tests."""

    id = Text("Its id", key=True)
    event_time = Instant("When")
    person = Ref(Customer, "Who", subject=True)
    amount = Money("Paid", currency="currency")
    fee = Money("The fee", currency="fee_currency", optional=True)
    currency = Code("Currency of the amount", standard="ISO 4217")
    fee_currency = Code("Currency of the fee", standard="ISO 4217")
    rate = Number("Rate", scale=4)
    yield_ = Number("Yield", scale=2)
    count = Integer("How many")
    side = Code("Side", standard={"buy", "sell"})
    settled = Day("When settled", optional=True)
    due = Day("When due", optional=True)
    open = Flag("Still open")
    name = Text("Name of the person", personal=True)
    card = Text("Card", personal=True, pan=True)
    where = Place("Where", optional=True)


T = Trade
ROW: dict[str, Any] = {
    "id": "t1", "event_time": 1_000_000, "known_time": 2_000_000, "amount": 1050, "fee": None,
    "currency": "EUR", "fee_currency": "USD", "rate": 12_500, "yield_": -3, "count": 7,
    "side": "buy", "settled": date(2026, 3, 1), "due": None, "open": True, "where_lat": 5, "x": 0.5,
}  # fmt: skip

VALUES: list[tuple[Any, object]] = [
    (T.amount, 1050),
    (T.amount > 1000, True),
    (T.amount * 3 - 50 == 3100, True),
    (T.amount / 4, 262.5),
    (T.amount / (T.count - 7), NULL),
    (T.count / 2 + 1, 4.5),
    (-T.count + abs(T.yield_ * 2), -1),
    (T.amount * MOST, NULL),
    (T.count + MOST, NULL),
    (T.count - MOST - 8, LEAST),
    (T.count - MOST - 9, NULL),
    (T.fee > 5, NULL),
    (T.fee + 5, NULL),
    (coalesce(T.fee, 0) == 0, True),
    (T.fee.is_missing(), True),
    (T.amount.is_missing(), False),
    ((T.fee > 5).is_missing(), True),
    ((T.fee > 5) & T.open, NULL),
    ((T.fee > 5) & ~T.open, False),
    ((T.fee > 5) | T.open, True),
    ((T.fee > 5) | ~T.open, NULL),
    (~(T.fee > 5), NULL),
    (T.amount.between(1050, 1050), True),
    (T.amount.between(T.fee * 1, 10), False),
    (T.amount.between(T.fee * 1, 9999), NULL),
    (T.side.isin(["buy", "sell"]), True),
    (T.fee.isin([1, 2]), NULL),
    (T.count.isin([7.0, 1.5]), True),
    (T.count.isin([T.fee * 2, 7]), True),
    (T.count.isin([T.fee * 2, 8]), NULL),
    (when(T.fee > 5, "a", "b"), "b"),
    (when(T.open, T.count, 0.5), 7.0),
    (least(T.count, 3, T.count), 3),
    (greatest(T.fee, T.fee), NULL),
    (greatest(T.fee, T.amount), "refused"),
    (T.event_time > "1970-01-01", True),
    (T.event_time == "1970-01-01T01:00:01+01:00", True),
    (T.event_time == 1_000_000, True),
    (T.event_time == date(1970, 1, 1), False),
    (T.event_time + 5, 1_000_005),
    (5 + T.event_time, 1_000_005),
    (T.event_time - 5, 999_995),
    (column("known_time") - T.event_time, 1_000_000),
    (T.event_time - "1970-01-01", 1_000_000),
    (T.event_time + MOST, NULL),
    (T.settled < "2026-03-02", True),
    (T.settled == date(2026, 3, 1), True),
    (T.settled - "2026-02-01", 28),
    (T.settled - T.due, NULL),
    (coalesce(T.due, "2026-01-01"), date(2026, 1, 1)),
    (lower("ÄBC"), "Äbc"),
    (upper("äbcß"), "äBCß"),
    (upper(T.side), "BUY"),
    (length("e\u0301"), 2),
    (length("\U0001f926"), 1),
    (starts(T.side, "b"), True),
    (contains(T.side, ""), True),
    (contains(T.side, "B"), False),
    (T.id < "t", False),
    (T.id > "Z", True),
    (column("where_lat") + 1, 6),
    (T.open == True, True),  # noqa: E712 - an expression
    (T.count == 7.0, True),
]


def value_of(expression: Any) -> object:
    try:
        return compile_row(expression, Trade)(ROW)
    except ContractError:
        return "refused"


@pytest.mark.parametrize(("expression", "value"), [(e, v) for e, v in VALUES])
def test_values(expression: Any, value: object) -> None:
    got = value_of(expression)
    assert got == value
    assert type(got) is type(value)


def test_and_or_not_are_kleenes() -> None:
    schema = {"a": "flag", "b": "flag"}
    both = compile_row(column("a") & column("b"), schema)
    either = compile_row(column("a") | column("b"), schema)
    neither = compile_row(~column("a"), schema)
    for a in (True, False, None):
        assert neither({"a": a}) is (None if a is None else not a)
        for b in (True, False, None):
            cells = {a, b}
            all_true = False if False in cells else None if None in cells else True
            any_true = True if True in cells else None if None in cells else False
            assert both({"a": a, "b": b}) is all_true
            assert either({"a": a, "b": b}) is any_true


def test_an_absent_column_is_null_and_an_infinite_one_too() -> None:
    schema = {"x": "number", "n": "integer"}
    assert compile_row(column("n").is_missing(), schema)({}) is True
    for bad in (float("nan"), float("inf"), float("-inf")):
        assert compile_row(column("x"), schema)({"x": bad}) is None
    assert compile_row(column("x"), schema)({"x": 3}) == 3.0
    assert compile_row(column("x") * 10, schema)({"x": 1e308}) is None


def test_a_whole_number_meets_a_fraction_as_the_nearest_float() -> None:
    schema = {"n": "integer", "x": "number"}
    equal = compile_row(column("n") == column("x"), schema)
    assert equal({"n": 2**53 + 1, "x": 2.0**53}) is True
    assert equal({"n": 2**53 + 2, "x": 2.0**53}) is False


def test_a_condition_keeps_only_true() -> None:
    keeps = condition(T.fee > 5, Trade)
    assert [keeps({"fee": fee}) for fee in (6, 5, None)] == [True, False, False]
    with pytest.raises(ContractError, match="must be a condition"):
        condition(T.fee + 5, Trade)


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        (T.amount, "integer"), (T.amount / 2, "number"), (T.amount > 5, "flag"),
        (T.event_time - 5, "instant"), (T.event_time - T.event_time, "integer"),
        (T.settled - T.due, "integer"), (coalesce(T.due, "2026-01-01"), "day"), (lower(T.id), "text"),
        (length(T.id), "integer"), (when(T.open, 1, 2.5), "number"), (Value(None), "null"),
        (coalesce(None, None), "null"), (when(None, None, None), "null"), (coalesce(None, 1), "integer"),
        (T.count + None, "integer"), (-Value(None), "integer"), (column("known_time"), "instant"),
    ],
)  # fmt: skip
def test_every_expression_has_a_type(expression: Any, kind: str) -> None:
    assert check(expression, Trade) == kind
    assert resolve(resolve(expression, Trade)).kind == kind


REFUSED: list[tuple[Any, str, str]] = [
    (T.amount > "100", "Trade.amount is a whole number: it cannot be compared with '100'", "without quotes"),
    (T.side == 5, "Trade.side is text", "in quotes"),
    (T.side > T.count, "cannot be compared with Trade.count", "one type"),
    (T.open == 1, "Trade.open is true or false", "one type"),
    (T.open > False, "which has no order", "="),
    (greatest(T.open, True), "have an order", ""),
    (T.side == "hold", "Trade.side never has this code", "buy, sell"),
    (T.currency.isin(["EUR", "EURO"]), "Trade.currency never has this code", "'EUR'"),
    (T.event_time > T.settled, "Trade.settled, which is a day", "zone"),
    (T.event_time > T.count, "cannot be compared with Trade.count", ""),
    (T.event_time > 0.5, "cannot be compared with 0.5", ""),
    (T.event_time > "yesterday", "ISO 8601", ""),
    (T.settled > "01/03/2026", "YYYY-MM-DD", "2026-03-01"),
    (T.settled > "20260301", "YYYY-MM-DD", ""),
    (T.settled > "2026-02-30", "YYYY-MM-DD", ""),
    (T.settled > 5, "cannot be compared with 5", ""),
    (T.settled + 1, "'add' cannot be done", "two days take -"),
    (T.settled + T.due, "'add' cannot be done", ""),
    (T.event_time * 2, "'mul' cannot be done", "microseconds"),
    (-T.event_time, "'neg' cannot be done", ""),
    (T.event_time + T.amount, "'add' cannot be done", ""),
    (T.event_time - T.settled, "cannot be combined", ""),
    (T.name == "Ann", "Trade.name is personal", "token"),
    (T.name.is_missing(), "Trade.name is personal", "token"),
    (column("where"), "Trade.where is a place", "where_lat"),
    (T.where > 5, "Trade.where is a place", "where_lat"),
    (T.fee == None, "never true", "missing"),  # noqa: E711 - an expression
    (T.count.isin([1, None]), "never true", "missing"),
    (T.count.between(None, 5), "never true", "missing"),
    (T.amount > 100.5, "stored in minor units of currency", 'units(Trade.amount, "100.5", currency="EUR")'),
    (T.rate == 1.25, "steps of 10^-4", 'units(Trade.rate, "1.25")'),
    (T.rate.isin([1, 1.25]), "steps of 10^-4", ""),
    (T.amount + T.fee, "minor units of currency, but Trade.fee is in minor units of fee_currency", ""),
    (T.rate > T.yield_, "'gt' would mix them up", "multiply or divide"),
    (T.amount > T.rate, "would mix them up", ""),
    (least(T.amount, T.rate), "would mix them up", ""),
    (when(T.open, T.amount, T.fee), "would mix them up", ""),
    (coalesce(T.fee, T.amount), "would mix them up", ""),
    ((T.event_time - 5 - T.event_time) > T.amount, "microseconds", ""),
    (T.count & T.open, "'and' joins conditions, but Trade.count", "compare"),
    (~T.side, "'not' joins conditions", ""),
    (when(T.count, 1, 2), "joins conditions", ""),
    (T.side + "x", "'add' takes numbers, but Trade.side is text", "map"),
    (T.open + 1, "'add' takes numbers", ""),
    (lower(T.count), "'lower' takes text, but Trade.count", ""),
    (coalesce(T.side, 5), "cannot be combined by 'coalesce'", ""),
    (when(T.open, "a", T.count), "cannot be combined", ""),
    (column("amuont") > 5, "Trade has no column 'amuont'", "did you mean 'amount'?"),
    (column("_load") > 5, "has no column", ""),
    (Payment.amount > 5, "Payment.amount cannot be read from a row of Trade", "field of Trade"),
    (Label.event_time > 5, "Label.event_time cannot be read", ""),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "what", "do"), REFUSED)
def test_a_wrong_type_names_the_column_and_the_cure(expression: Any, what: str, do: str) -> None:
    with pytest.raises(HeptadError) as caught:
        check(expression, Trade)
    assert what in caught.value.what
    assert do in caught.value.do


def test_what_looks_alike_is_still_allowed() -> None:
    assert check(T.amount / T.fee > 0.5, Trade) == "flag"
    assert check(T.rate * 100 > T.yield_ * 1, Trade) == "flag"
    assert check(T.amount > 100 * T.count, Trade) == "flag"
    assert check(T.card == "411111******1111", Trade) == "flag"
    assert check(T.amount + T.amount * 2 > 5, Trade) == "flag"
    assert check(T.event_time - column("known_time") > T.count, Trade) == "flag"


def test_columns_without_a_table_need_a_schema() -> None:
    tree = from_json({"gt": [{"column": "mean_7d"}, 5]})
    with pytest.raises(ContractError, match="mean_7d has no type yet"):
        check(tree)
    assert check(tree, {"mean_7d": "number"}) == "flag"
    assert compile_row(tree, {"mean_7d": "number"})({"mean_7d": 5.5}) is True
    with pytest.raises(UnknownName, match="did you mean 'mean_70d'"):
        check(tree, {"mean_70d": "number"})
    with pytest.raises(ContractError, match="a type that does not exist"):
        check(tree, {"mean_7d": "float"})
    with pytest.raises(ContractError, match="personal"):
        check(tree, {"mean_7d": "sealed"})
    assert check(Payment.amount > 5) == "flag"
    with pytest.raises(ContractError, match="personal"):
        check(Customer.name == "Ann")


def test_units_write_stored_integers() -> None:
    assert units(Payment.amount, "100.50", currency="EUR") == 10050
    assert units(Payment.amount, "100", currency="JPY") == 100
    assert units(T.rate, "1.25") == 12500
    assert units(T.count, "3") == 3
    for field, text, currency, words in [
        (T.amount, "1.234", "EUR", "at most 2 decimals"), (T.amount, "5", "", "needs a currency"),
        (T.rate, "0.00001", "", "at most 4 decimals"), (T.count, "1.5", "", "at most 0 decimals"),
        (T.side, "5", "", "not measured in units"), (T.amount, "x", "EUR", "decimal number"),
        (T.count, "9223372036854775808", "", "fit 64 bits"), (T.amount, "5", "EUX", "ISO 4217"),
    ]:  # fmt: skip
        with pytest.raises(ContractError, match=words):
            units(field, text, currency=currency)
    assert compile_row(T.rate > units(T.rate, "1.2"), Trade)(ROW) is True


CELLS = {
    "integer": st.one_of(st.none(), st.integers(LEAST, MOST)),
    "number": st.one_of(st.none(), st.floats()),
    "text": st.one_of(st.none(), st.text(max_size=5)),
    "flag": st.one_of(st.none(), st.booleans()),
    "instant": st.one_of(st.none(), st.integers(LEAST, MOST)),
    "day": st.one_of(st.none(), st.dates()),
}
SCHEMA = {f"{kind}_{n}": kind for kind in CELLS for n in (1, 2)}
LEAVES = st.one_of(
    st.sampled_from(sorted(SCHEMA)).map(column),
    st.one_of(st.integers(-3, 3), st.sampled_from([MOST, LEAST, 0.5, True, "a", None]), st.dates()).map(Value),
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: st.sampled_from(sorted(OPERATORS)).flatmap(
        lambda op: st.lists(
            inner,
            min_size=OPERATORS[op][0],
            max_size=max(OPERATORS[op][0], min(OPERATORS[op][1], 3)),
        ).map(lambda parts: Call(op, tuple(parts)))
    ),
    max_leaves=8,
)
TYPES = {"integer": int, "instant": int, "number": float, "text": str, "flag": bool, "day": date}


@given(tree=TREES, row=st.fixed_dictionaries({n: CELLS[k] for n, k in SCHEMA.items()}))
def test_a_checked_expression_never_raises_and_keeps_its_type(tree: Any, row: Any) -> None:
    try:
        kind = check(tree, SCHEMA)
    except HeptadError as error:
        undone = not error.do
    else:
        undone = False
        kept(tree, kind, row)
    assert not undone, "an error without a cure"


def kept(tree: Any, kind: str, row: Any) -> None:
    value = compile_row(tree, SCHEMA)(row)
    assert value is None or type(value) is TYPES[kind]
    if kind in ("integer", "instant") and value is not None:
        assert LEAST <= value <= MOST
    if kind == "number" and value is not None:
        assert value - value == 0
