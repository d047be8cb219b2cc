# SPDX-License-Identifier: Apache-2.0
"""The project file: what it may say, and what each mistake is answered with."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.sources.binding import Format
from heptad.sources.config import parse_project, read_project, revealed
from heptad.standards.errors import HeptadError, InputError, UnknownName
from heptad.standards.model import MODEL
from heptad.standards.time import day, parse_instant

HERE = Path("/tmp")
WHOLE = """\
[project]
name = "bank"
currency = "GBP"
clock = "2026-01-01"
allow = ["../elsewhere"]

[[source]]                       # payments
table = "Payment"
from = "data/tx_*.csv.gz"
map = { id = "tx_id", amount = "eur", currency = "'EUR'" }
codes = { status = { A = "authorised" } }
known_after = "2 days"
zone = "Europe/Madrid"
separator = ";"
decimal = ","
null = ["NA", "-"]

[[source]]
name = "core"
table = "Customer"
from = "sqlite:///core.db"
query = "customers"
watermark = "changed"
[source.map]
id = "nr"
name = '''first
|| last'''

[engine]
memory = "2GB"
threads = 4
[serve]
port = 9000
[security]
passphrase = "${env:BANK}"
[retention]
decisions = "3650 days"
"""


def parsed(text):
    return parse_project(text, HERE, MODEL)


def test_a_whole_file_is_read():
    project = parsed(WHOLE)
    payments, core = project.sources
    assert (project.name, project.currency) == ("bank", "GBP")
    assert project.clock == parse_instant("2026-01-01")
    assert project.folders() == ((HERE.resolve().parent / "elsewhere"),)
    assert (payments.name, payments.known_after, payments.zone) == (
        "Payment", 2 * day, "Europe/Madrid",
    )  # fmt: skip
    assert payments.format == Format(separator=";", decimal=",", null=("NA", "-"))
    assert payments.codes == {"status": {"A": "authorised"}}
    assert core.map == {"id": "nr", "name": "first\n|| last"}
    assert (core.query, core.watermark) == ("customers", "changed")
    assert (project.engine.memory, project.engine.threads) == ("2GB", 4)
    assert project.source("core") is core
    assert project.of("Payment") == (payments,)


@pytest.mark.parametrize(
    ("change", "says", "do"),
    [
        (('table = "Payment"', 'table = "Paymnt"'), "no table 'Paymnt'", "'Payment'"),
        (('id = "tx_id"', 'ide = "tx_id"'), "no field 'ide'", "'id'"),
        (('id = "nr"', 'idd = "nr"'), "no field 'idd'", "'id'"),
        (('id = "nr"', "id = 5"), "must be an expression", "column"),
        (('"2 days"', '"2 dayz"'), "known_after", "2 days"),
        (('"Europe/Madrid"', '"Europe/Madird"'), "zone", "Europe/Madrid"),
        (('separator = ";"', 'separator = ";;"'), "one ASCII character", ";"),
        (('separator = ";"', 'seperator = ";"'), "no key 'seperator'", "'separator'"),
        (('decimal = ","', 'decimal = "x"'), "decimal", "."),
        (('currency = "GBP"', 'currency = "GPB"'), "currency", "did you mean"),
        (('clock = "2026-01-01"', 'clock = "soon"'), "clock", ""),
        (('from = "data/tx_*.csv.gz"', 'from = ""'), "does not say from", "add from"),
        (('memory = "2GB"', 'memory = "lots"'), "memory", "1GB"),
        (("threads = 4", "threads = 0"), "between 1 and 256", "threads"),
        (("port = 9000", 'port = "x"'), "whole number", ""),
        (("[retention]", "[retentoin]"), "no key 'retentoin'", "'retention'"),
        (('"${env:BANK}"', '"hunter2"'), "secret", "${env:NAME}"),
        (('"sqlite:///core.db"', '"postgresql://u:pw@h/d"'), "password", "${env:NAME}"),
        (('name = "core"', 'name = "Payment"  #'), "Two sources", "name"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_a_cure(change, says, do):
    with pytest.raises(InputError) as met:
        parsed(text := WHOLE.replace(*change))
    error = met.value
    line = 1 + text[: text.index(change[1])].count("\n")
    assert says in error.what
    assert do in error.do
    assert error.place == f"heptad.toml line {line}"
    assert "hunter2" not in str(error)
    assert "pw" not in str(error)


def test_broken_toml_says_where():
    with pytest.raises(InputError, match="line 2"):
        parsed("[project]\nname = x\n")


def test_no_header_needs_names():
    with pytest.raises(InputError, match="columns must be named"):
        parsed('[[source]]\ntable = "Payment"\nfrom = "a.csv"\nheader = false\n')


def test_one_bracket_is_answered():
    with pytest.raises(InputError, match="two brackets"):
        parsed('[source]\ntable = "Payment"\n')


def test_a_folder_without_a_project(tmp_path):
    with pytest.raises(UnknownName, match="no project"):
        read_project(tmp_path)


def test_secrets_come_from_the_environment_and_from_files(tmp_path, monkeypatch):
    monkeypatch.setenv("PASS", "s3")
    (tmp_path / "key").write_text("f4\n")
    assert revealed("a:${env:PASS}@${file:key}", tmp_path) == "a:s3@f4"
    with pytest.raises(InputError, match="not there") as met:
        revealed("${env:ABSENT_SECRET}", tmp_path)
    assert "export ABSENT_SECRET" in met.value.do


@settings(max_examples=60)
@given(st.integers(0, len(WHOLE)), st.integers(0, 12), st.text(max_size=4))
def test_a_damaged_file_is_read_or_refused(start, length, put):
    text = WHOLE[:start] + put + WHOLE[start + length :]
    with suppress(HeptadError):
        parsed(text)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("known_after = -5", "a number and a unit"),
        ('known_after = "999999999 weeks"', "36,500 days"),
        ('codes = { status = { A = "authorized" } }', "none of its codes"),
        ('codes = { customer = { A = "x" } }', "no field 'customer' with a list"),
        ('separator = "1"', "no letter or digit"),
        ('thousands = "-"', "no sign of a number"),
    ],
)
def test_what_would_silently_load_nonsense_is_refused(tmp_path, line, says):
    text = f'[[source]]\ntable = "Payment"\nfrom = "x.csv"\n{line}\n'
    with pytest.raises(InputError, match=says) as met:
        parse_project(text, tmp_path, MODEL)
    assert met.value.place == "heptad.toml line 4"
    assert met.value.do


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 100_000 + " = 1",
        "x = " + "9" * 5000,
        '[project]\nallow = ["a\\u0000b"]',
        '[engine]\nmemory = "0GB"',
        "[retention]\ndecisions = -5",
    ],
)
def test_a_hostile_project_file_is_refused_at_once(tmp_path, text):
    with pytest.raises(InputError) as met:
        parse_project(text, tmp_path, MODEL)
    assert met.value.place
    assert met.value.do
