# SPDX-License-Identifier: Apache-2.0
"""Tests of the first binding that `heptad init --from` guesses of a stranger's file."""

from __future__ import annotations

import gzip
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from heptad.sources.config import parse_project
from heptad.standards.errors import InputError
from heptad.standards.model import MODEL
from heptad.terminal.guess import binding

if TYPE_CHECKING:
    from pathlib import Path

SPANISH = """Reference;Booked;Client;Shop;Country;Value;Result
P-1;02/03/2026 09:15;C7;Sol;ES;3,50;OK
P-2;03/03/2026 12:00;C9;Luna;ES;1.250,00;Declined
P-3;28/02/2026 23:59;C9;Luna;FR;20,00;OK
P-4;04/03/2026 00:00;C9;Luna;FR;20,00;OK
P-5;05/03/2026 00:00;C9;Luna;FR;20,00;OK
P-6;31/02/2026 10:00;C9;Norte;ES;20,00;OK
"""


def guessed(folder: Path, name: str, content: str | bytes, table: str = "") -> dict[str, Any]:
    """Write a file, guess its binding, and return the binding as the project file reads it."""
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    text, said = binding(file, folder, table)
    parse_project(text, folder, MODEL)
    (source,) = tomllib.loads(text)["source"]
    assert source["from"] == name
    return source | {"said": said}


def test_a_payment_file_of_another_country_is_bound(tmp_path: Path) -> None:
    source = guessed(tmp_path, "payments.csv", SPANISH)
    assert source["table"] == "Payment"
    assert (source["separator"], source["decimal"], source["thousands"]) == (";", ",", ".")
    assert source["map"] == {
        "id": '"Reference"',
        "event_time": "strptime(\"Booked\", '%d/%m/%Y %H:%M')",
        "customer": '"Client"',
        "merchant": '"Shop"',
        "country": '"Country"',
        "amount": '"Value"',
        "currency": "'EUR'",
        "status": '"Result"',
    }


def test_words_that_are_no_codes_are_listed_to_be_translated(tmp_path: Path) -> None:
    source = guessed(tmp_path, "payments.csv", SPANISH)
    assert source["codes"] == {"status": {"Declined": "declined"}}
    assert "translate the words of status: Declined, OK" in source["said"]


def test_words_that_are_codes_need_no_translation(tmp_path: Path) -> None:
    plain = SPANISH.replace("OK", "authorised").replace("Declined", "declined")
    assert "codes" not in guessed(tmp_path, "payments.csv", plain)


def test_the_table_may_be_said(tmp_path: Path) -> None:
    assert guessed(tmp_path, "payments.csv", SPANISH, "Transfer")["table"] == "Transfer"


def test_what_is_wanting_is_named(tmp_path: Path) -> None:
    source = guessed(tmp_path, "a.csv", "id,event_time\n1,2026-01-01\n", "Payment")
    assert "give a map entry for: customer, amount" in source["said"]


@pytest.mark.parametrize(
    ("columns", "table"),
    [
        ("id,event_time,customer,amount,currency,term", "LoanApplication"),
        ("account,customer,opened,iban,kind,currency,status,id,event_time", "Account"),
        ("id,event_time,instrument,open,high,low,close,volume", "Price"),
        ("id,event_time,base,quote,rate", "Rate"),
    ],
)
def test_the_table_that_most_columns_fit_is_chosen(
    tmp_path: Path, columns: str, table: str
) -> None:
    assert guessed(tmp_path, "a.csv", columns + "\n")["table"] == table


def test_a_weak_guess_of_the_table_is_said_to_be_one(tmp_path: Path) -> None:
    odd = "id,customer,event_time,branch,teller,till,shift\n"
    weak = guessed(tmp_path, "a.csv", odd)
    told = [line for line in weak["said"] if "is a guess" in line]
    assert len(told) == 1
    assert told[0].startswith(f"{weak['table']} is a guess: ")
    assert "of 7 columns fit it" in told[0]
    for said in (
        guessed(tmp_path, "b.csv", odd, weak["table"])["said"],
        guessed(tmp_path, "c.csv", SPANISH)["said"],
    ):
        assert not any("is a guess" in line for line in said)


def test_json_lines_and_compressed_files_are_looked_into(tmp_path: Path) -> None:
    lines = '{"id": "1", "date": "20260301", "customer": "c", "amount": "1"}\n' * 3
    assert (
        guessed(tmp_path, "a.jsonl", lines)["map"]["event_time"] == "strptime(\"date\", '%Y%m%d')"
    )
    packed = gzip.compress(SPANISH.encode("cp1252"))
    assert guessed(tmp_path, "b.csv.gz", packed)["table"] == "Payment"


def test_odd_names_of_columns_are_quoted(tmp_path: Path) -> None:
    content = 'id,event_time,customer,"amount, ""net"" it\'s"\n1,2026-01-01,c,1.00\n'
    assert guessed(tmp_path, "a.csv", content, "Payment")["map"]["amount"] == (
        '"amount, ""net"" it\'s"'
    )


@pytest.mark.parametrize("content", ["", "{no json}\n{no json}\n"])
def test_what_cannot_be_looked_into_is_said(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError):
        guessed(tmp_path, "a.jsonl" if content else "a.csv", content)


@pytest.mark.parametrize(
    ("amounts", "mark", "decimal"),
    [
        (("1,250.00", "3.50"), ",", None),
        (("1,250,000", "3"), ",", None),
        (("1 250,00", "3,50", "1,10"), " ", ","),
        (("1'250.00", "3.50"), "'", None),
        (("1,250", "3"), None, None),
        (("1250.00", "3.50"), None, None),
    ],
)
def test_marks_between_thousands_are_seen(
    tmp_path: Path, amounts: tuple[str, ...], mark: str | None, decimal: str | None
) -> None:
    rows = "".join(f"{n};2026-01-0{n + 1};c;{amount}\n" for n, amount in enumerate(amounts))
    source = guessed(tmp_path, "a.csv", "id;event_time;customer;amount\n" + rows, "Payment")
    assert (source.get("thousands"), source.get("decimal")) == (mark, decimal)


@pytest.mark.parametrize(
    ("when", "local"),
    [("2026-01-05 10:15:00", True), ("05/01/2026 10:15", True), ("2026-01-05T10:15:00Z", False),
     ("2026-01-05 10:15:00+01:00", False), ("2026-01-05", False)],
)  # fmt: skip
def test_times_without_a_zone_are_told(tmp_path: Path, when: str, local: bool) -> None:
    text = f"id,event_time,customer,amount\n1,{when},c,1.00\n"
    said = guessed(tmp_path, "a.csv", text, "Payment")["said"]
    assert any("have no zone" in line for line in said) is local
    assert ("# zone = " in binding(tmp_path / "a.csv", tmp_path, "Payment")[0]) is local
