# SPDX-License-Identifier: Apache-2.0
"""Tables and fields: what a declaration derives, and which declarations are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from heptad.standards import (
    Code,
    Day,
    Field,
    Flag,
    Instant,
    Integer,
    Money,
    Number,
    Place,
    Ref,
    Table,
    Text,
    named,
)
from heptad.standards.codes import COUNTRIES, STANDARDS, code_list
from heptad.standards.errors import ContractError, UnknownName
from heptad.standards.evaluate import check
from heptad.standards.model import MODEL, Customer, Label, Payment


def declare(doc: str = "One row.", held: bool = False, **fields: Field) -> type[Table]:
    """Declare a table with an id and an event_time unless others are given."""
    usual: dict[str, Any] = {"id": Text("Its id", key=True), "event_time": Instant("When it was")}
    body = {k: f for k, f in (usual | fields).items() if f is not None}
    return type("Sample", (Table,), {"__doc__": doc, **body}, state=held)


def test_physical_columns_follow_the_declaration() -> None:
    table = declare(
        person=Ref(Customer, "Who it is", subject=True),
        name=Text("Their name", personal=True, optional=True),
        card=Text("Their card", personal=True, pan=True),
        paid=Money("What they paid", currency="currency"),
        currency=Code("In which currency", standard="ISO 4217"),
        at=Place("Where it was", optional=True),
        home=Place("Where they live", personal=True),
        born=Day("When born"),
        open=Flag("Whether open"),
    )
    kinds = {c.name: (c.kind, c.optional) for c in table.columns()}
    assert kinds == {
        "id": ("text", False), "event_time": ("instant", False), "person": ("text", False),
        "name": ("sealed", True), "card": ("text", False), "paid": ("integer", False),
        "currency": ("text", False), "at_lat": ("integer", True), "at_lon": ("integer", True),
        "home": ("sealed", False), "born": ("day", False), "open": ("flag", False),
        "known_time": ("instant", False), "_deleted": ("flag", False), "_load": ("integer", False),
        "_line": ("integer", False), "_hash": ("integer", False), "_month": ("text", False),
    }  # fmt: skip
    assert list(kinds)[-6:] == ["known_time", "_deleted", "_load", "_line", "_hash", "_month"]
    assert [f.name for f in table.sealed()] == ["name", "home"]
    assert table.key.name == "id"
    assert table.subject is table.fields["person"]
    assert table.subject_type() == "Customer"
    assert "_month" not in {c.name for c in declare(held=True).columns()}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"doc": ""}, "no docstring"),
    ({"id": None}, "exactly one key"),
    ({"other": Text("Another key", key=True)}, "exactly one key"),
    ({"id": Text("Its id", key=True, optional=True)}, "cannot be personal or optional"),
    ({"id": Text("Its id", key=True, personal=True, subject=True)}, "cannot be personal or optional"),
    ({"event_time": None}, "needs event_time"),
    ({"event_time": Text("When it was")}, "needs event_time"),
    ({"event_time": Instant("When it was", optional=True)}, "needs event_time"),
    ({"a": Text("x")}, "a sentence that says"),
    ({"known_time": Instant("When known")}, "not known_time"),
    ({"_load": Integer("Which load")}, "lower-case letters"),
    ({"Amount": Integer("How much")}, "lower-case letters"),
    ({"naïve": Integer("How much")}, "lower-case letters"),
    ({"a" * 64: Integer("How much")}, "lower-case letters"),
    ({"state": Text("Which state")}, "every table uses itself"),
    ({"fields": Text("Which fields")}, "every table uses itself"),
    ({"columns": Text("Which ones")}, "every table uses itself"),
    ({"contract": Text("Which one")}, "every table uses itself"),
    ({"subject": Text("What it says")}, "every table uses itself"),
    ({"key": Text("Which key")}, "every table uses itself"),
    ({"p": Place("Where it is"), "p_lat": Integer("Twice")}, "two columns of one name"),
    ({"name": Text("Their name", personal=True)}, "no subject"),
    ({"who": Text("Their name", subject=True)}, "only a Ref or the key"),
    ({"who": Ref("Customer", "Who it is", subject=True, optional=True)}, "cannot be optional"),
    ({"a": Ref("Customer", "Who it is", subject=True), "b": Ref("Customer", "Who else", subject=True)}, "one subject"),
    ({"paid": Money("What was paid", currency="currncy")}, "names a currency column"),
    ({"card": Text("Their card", pan=True)}, "say personal=True"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "words"), REFUSED)
def test_a_declaration_that_cannot_be_kept_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ContractError) as caught:
        declare(**fields)
    assert words in str(caught.value)


def test_fields_refuse_what_makes_no_sense() -> None:
    with pytest.raises(ContractError, match="between 0 and 12"):
        Number("Something", scale=13)
    with pytest.raises(ContractError, match="known standard"):
        Code("Something", standard="ISO 3166")


def test_the_key_may_be_called_key() -> None:
    table = declare(id=None, key=Text("Its key", key=True))
    assert table.key.name == "key"


def test_the_version_hash_changes_with_the_contract_only() -> None:
    def one(**clauses: Any) -> str:
        return declare(n=Integer("How many", **clauses)).version_hash()

    assert one() == one()
    changed = [one(ge=0), one(le=9), one(optional=True), one(unit="pieces"), one(ge=1)]
    assert len({one(), *changed}) == 6
    assert declare().version_hash() != declare(held=True).version_hash()
    assert (
        declare(c=Code("Which code", standard={"a", "b"})).version_hash()
        == declare(c=Code("Which code", standard={"b", "a"})).version_hash()
    )


def test_the_version_hash_is_the_same_in_every_process() -> None:
    script = "from heptad.standards.model import Payment; print(Payment.version_hash())"
    for seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert done.stdout.strip() == Payment.version_hash()


@pytest.mark.parametrize("table", MODEL.values(), ids=MODEL.keys())
def test_every_table_of_the_model_keeps_its_promises(table: type[Table]) -> None:
    contract = json.loads(json.dumps(table.contract()))
    assert contract["table"] == table.__name__
    assert list(contract["fields"]) == list(table.fields)
    assert len({c.name for c in table.columns()}) == len(table.columns())
    assert named(table.__name__) is table
    for field in table.fields.values():
        assert field.doc[0].isupper()
        assert repr(field) == field.title == f"{table.__name__}.{field.name}"
        if isinstance(field, Ref):
            assert issubclass(field.target, Table)
        if field.personal:
            assert field.purposes or not isinstance(field, Place) or table.subject is not None
        if not field.sealed and not isinstance(field, Place):
            assert check(field, table) in ("text", "integer", "instant", "day", "flag")


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'Payment'"):
        named("Paymnt")
    with pytest.raises(UnknownName, match="did you mean 'amount'"):
        Payment.field("amont")
    assert Payment.field("amount") is Payment.amount


def test_paths_walk_over_refs() -> None:
    path = Label.payment.merchant
    assert repr(path) == "Label.payment.merchant"
    assert path.table is Label
    assert path.end is Payment.merchant
    assert Label.payment["amount"].end is Payment.amount
    assert path.country.end.name == "country"
    with pytest.raises(AttributeError, match="did you mean 'merchant'"):
        _ = Label.payment.merchnt
    with pytest.raises(ContractError, match="did you mean 'merchant'"):
        _ = Label.payment["merchnt"]
    with pytest.raises(ContractError, match="is no Ref"):
        _ = Label.payment.amount["currency"]
    with pytest.raises(TypeError, match="Path cannot stand in an expression"):
        _ = Label.payment.amount > 5
    assert not hasattr(Payment.customer, "_repr_html_")


def test_code_lists() -> None:
    assert len(COUNTRIES) == 249
    assert {"CN", "US", "GB", "DE", "SG"} <= COUNTRIES
    assert "UK" not in COUNTRIES
    assert code_list("ISO 4217") is STANDARDS["ISO 4217"]
    assert code_list({"a", "b"}) == {"a", "b"}
    with pytest.raises(ContractError, match="did you mean 'ISO 4217'"):
        code_list("ISO4217")
