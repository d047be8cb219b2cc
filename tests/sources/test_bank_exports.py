# SPDX-License-Identifier: Apache-2.0
"""The bank's exports hold what the bank holds, and exactly the dirt that is said to be in them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet as pq
import pytest

from heptad.sources.bank import Bank
from heptad.sources.bank.database import OTHER_PHONE, TABLES
from heptad.sources.bank.digits import luhn_valid
from heptad.sources.bank.dirt import CODE_OF
from heptad.sources.bank.files import write_exports
from heptad.sources.config import parse_project
from heptad.standards.codes import COUNTRIES
from heptad.standards.model import MODEL
from heptad.standards.money import CURRENCIES

BERLIN = ZoneInfo("Europe/Berlin")
TERMINALS = [
    "TX_ID",
    "TS",
    "CUST",
    "MERCH",
    "CTRY",
    "AMT",
    "CCY",
    "PAN",
    "CHNL",
    "STAT",
    "LAT",
    "LON",
    "BOOKED",
]
ONLINE = [
    "id",
    "event_time",
    "customer",
    "merchant",
    "country",
    "amount",
    "currency",
    "card",
    "device",
    "channel",
    "status",
    "booked",
    "op",
]


def made(**options):
    """Seven weeks around the night on which summer time ends."""
    return Bank(360, 7, date(2025, 10, 1), 50, payments_per_day=180, **options)


@pytest.fixture(scope="module")
def bank():
    return made()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def exports(bank, folder):
    return write_exports(bank, folder)


@pytest.fixture(scope="module")
def payments(bank, exports):
    """The payments that were known before the end, by id."""
    found = {}
    for batch in bank.payments():
        names = list(batch)
        for values in zip(*(batch[n].tolist() for n in names), strict=True):
            row = dict(zip(names, values, strict=True))
            if row["known_time"] < bank.world.end:
                found[row["id"].decode()] = row
    return found


def read(path):
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


def records(folder, pattern, separator, width):
    """The records of files and, for those that cannot be split, why."""
    for path in sorted(folder.glob(pattern)):
        for number, line in enumerate(read(path).split(b"\n")):
            if not line or number == 0:
                continue
            try:
                fields = line.decode().split(separator)
            except UnicodeDecodeError:
                yield [], "encoding"
                continue
            yield fields, "" if len(fields) == width else "columns"


def parsed(form, text):
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - the zone is the file's
    except ValueError:
        return None


def fault(row, when, amount):
    """The reason for which a payment cannot be taken, in the order in which ingest looks."""
    if not row["id"]:
        return "required"
    if when is None:
        return "parse"
    if row["country"] not in COUNTRIES:
        return "code"
    if row["currency"] not in CURRENCIES:
        return "currency"
    try:
        value = Decimal(amount)
    except ArithmeticError:
        return "parse"
    if value < 0:
        return "range"
    return "" if luhn_valid(row["card"]) else "luhn"


def judged(rows):
    """Count faults, and find duplicates and conflicts among the sound rows."""
    faults, seen, twice = Counter(), {}, 0
    for row, why in rows:
        if why:
            faults[why] += 1
            continue
        key = (row["id"], row["known"])
        if key not in seen:
            seen[key] = row
        elif seen[key] == row:
            twice += 1
        else:
            faults["conflict"] += 1
    return faults, twice, list(seen.values())


def terminals(folder):
    names = ("id", "time", "customer", "merchant", "country", "amount", "currency", "card",
             "channel", "status", "lat", "lon", "known")  # fmt: skip
    for fields, unfit in records(folder, "terminals_*.csv.gz", ";", len(TERMINALS)):
        row, why = dict(zip(names, fields, strict=False)), unfit
        if not why:
            row["amount"] = row["amount"].replace(".", "?" if row["amount"].count(".") > 1 else "")
            row["amount"] = row["amount"].replace(",", ".")
            there = parsed("%d/%m/%Y %H:%M:%S", row["time"])
            why = fault(row, there, row["amount"])
            if not why:
                there = there.replace(tzinfo=BERLIN)
                why = "zone" * (there.utcoffset() != there.replace(fold=1).utcoffset())
                row["time"] = int(there.timestamp()) * 1_000_000
        yield row, why


def online(folder):
    for fields, unfit in records(folder, "online_*.csv", ",", len(ONLINE)):
        row, why = dict(zip(ONLINE, fields, strict=False)), unfit
        if not why:
            when = parsed("%Y-%m-%dT%H:%M:%SZ", row["event_time"])
            why = fault(row, when, row["amount"])
            row["known"] = row["booked"]
            row["time"] = when and int(when.replace(tzinfo=UTC).timestamp()) * 1_000_000
        yield row, why


@pytest.mark.parametrize(("source", "rows_of"), [("terminals", terminals), ("online", online)])
def test_the_dirt_in_payments_is_exactly_what_is_told(folder, exports, source, rows_of):
    rows = list(rows_of(folder))
    faults, twice, _ = judged(rows)
    assert len(rows) == exports.rows[source]
    assert faults == exports.refused(source)
    assert twice == exports.dirt[source]["duplicate"]
    assert 0.005 < sum(faults.values()) / len(rows) < 0.02
    told = {k for k, n in exports.dirt[source].items() if n}
    wanted = {k for k, code in CODE_OF.items() if code in faults} - {"out of range"}
    assert told >= wanted


def test_the_night_on_which_clocks_go_back_is_ambiguous(exports):
    assert exports.dirt["terminals"]["ambiguous local time"] >= 1


@pytest.mark.parametrize(("source", "rows_of"), [("terminals", terminals), ("online", online)])
def test_what_is_sound_equals_what_the_bank_holds(folder, exports, payments, source, rows_of):
    _, _, sound = judged(rows_of(folder))
    versions = Counter(row["id"] for row in sound)
    changed = {row["id"] for row in sound if row.get("op", "N") != "N"}
    counts = exports.dirt[source]
    assert len(changed) == counts.get("correction", 0) + counts.get("deletion", 0)
    assert all(n == 1 + (id_ in changed) for id_, n in versions.items())
    late = 0
    for row in sound:
        if row.get("op", "N") != "N":
            continue
        real = payments[row["id"]]
        whole = 0 if row["currency"] == "JPY" else 2
        assert int(Decimal(row["amount"]).scaleb(whole)) == real["amount"]
        assert row["time"] == real["event_time"]
        for name in ("customer", "merchant", "country", "currency", "card"):
            assert row[name] == real[name].decode()
        known = parsed("%Y-%m-%dT%H:%M:%SZ", row["known"]).replace(tzinfo=UTC)
        assert int(known.timestamp()) * 1_000_000 == real["known_time"]
        late += real["known_time"] - real["event_time"] >= 6 * 3_600_000_000
    assert 0.9 * counts["late"] <= late <= counts["late"]
    wanted = {"terminal", "atm"} if source == "terminals" else {"online", "wallet"}
    mine = [r for r in payments.values() if r["channel"].decode() in wanted]
    lost = sum(exports.refused(source).values()) - exports.refused(source)["conflict"]
    assert len(versions) == len(mine) - lost


def test_corrections_and_deletions_come_later_than_what_they_change(folder, exports):
    first, later = {}, []
    for row, why in online(folder):
        if not why and row["op"] == "N":
            first.setdefault(row["id"], row)
        elif not why:
            later.append(row)
    assert Counter(row["op"] for row in later) == {
        "C": exports.dirt["online"]["correction"],
        "D": exports.dirt["online"]["deletion"],
    }
    for row in later:
        assert row["booked"] > first[row["id"]]["booked"]
        assert (row["amount"] == first[row["id"]]["amount"]) == (row["op"] == "D")


def test_files_hold_the_month_in_which_their_rows_were_booked(folder):
    for path in sorted(folder.glob("online_*.csv")):
        for row in csv.DictReader(io.StringIO(path.read_text("utf-8", "replace"))):
            if row["op"] in ("N", "C", "D") and row["booked"][10:11] == "T":
                assert row["booked"].startswith(path.stem[-7:])


def test_transfers_are_json_lines_with_their_dirt(folder, exports, bank):
    faults, ids = Counter(), Counter()
    for path in sorted(folder.glob("transfers_*.jsonl.gz")):
        for line in read(path).splitlines():
            try:
                row = json.loads(line, parse_float=Decimal)
            except ValueError:
                faults["json"] += 1
                continue
            if not row["id"]:
                faults["required"] += 1
            elif parsed("%Y-%m-%dT%H:%M:%SZ", row["booked"]) is None:
                faults["parse"] += 1
            else:
                ids[row["id"]] += 1
    assert faults == exports.refused("transfers")
    assert sum(n - 1 for n in ids.values()) == exports.dirt["transfers"]["duplicate"]
    held = sum(len(batch["id"]) for batch in bank.transfers())
    assert len(ids) == held - sum(faults.values())


def test_small_files_say_what_the_bank_says(folder, bank, exports):
    def known(table):
        for batch in bank.table(table):
            kept = np.flatnonzero(batch["known_time"] < bank.world.end)
            for n in kept.tolist():
                yield {name: values[n] for name, values in batch.items()}

    shops = [
        line.split("\t") for line in read(folder / "merchants.tsv").decode("latin-1").split("\n")
    ]
    for fields, row in zip(shops, known("Merchant"), strict=False):
        assert (fields[0], fields[3], fields[6]) == (row["id"].decode(), row["name"], row["city"])
    assert any("é" in fields[3] for fields in shops[:-1])
    bureau = read(folder / "bureau.csv").decode().split("\r\n")[1:-1]
    assert len(bureau) == exports.rows["bureau"] == sum(1 for _ in known("CreditRecord"))
    assert any(line.split("|")[6] == "" for line in bureau)
    labels = read(folder / "labels.csv").decode().splitlines()
    assert labels[0].startswith("id,event_time")
    assert len(labels) - 1 == sum(1 for _ in known("Label"))
    consents = [json.loads(line) for line in read(folder / "consents.jsonl.gz").splitlines()]
    assert {c["status"] for c in consents} == {"active", "withdrawn"}
    table = pq.read_table(folder / "repayments.parquet").to_pylist()
    rows = list(known("Repayment"))
    assert len(table) == len(rows) == exports.rows["repayments"]
    for got, row in zip(table, rows, strict=True):
        assert got["due"] == Decimal(int(row["due"])).scaleb(-2)
        assert got["event_time"].timestamp() * 1e6 == row["event_time"]


def test_the_database_holds_the_registers(folder, bank, exports):
    with sqlite3.connect(folder / "core.sqlite") as database:
        for name in TABLES:
            (rows,) = database.execute(f"SELECT count(*) FROM {name}").fetchone()
            assert rows == exports.rows[name] > 0
        spoilt = database.execute("SELECT count(*) FROM loan_applications WHERE age > 130")
        assert spoilt.fetchone()[0] == exports.dirt["loan_applications"]["out of range"]
        odd = database.execute("SELECT count(*) FROM customers WHERE phone LIKE '00%'")
        assert odd.fetchone()[0] == exports.dirt["customers"][OTHER_PHONE] > 0
        amounts = database.execute("SELECT amount, rate FROM loans").fetchall()
        assert all(a.endswith(".00") and len(r) == 8 for a, r in amounts)
        later = "SELECT count(*) FROM customers WHERE changed_at >= ?"
        end = datetime.fromtimestamp(bank.world.end / 1e6, UTC).isoformat()
        assert database.execute(later, [end]).fetchone() == (0,)
    database.close()


def test_the_project_file_can_be_read(folder, bank):
    project = parse_project((folder / "heptad.toml").read_text("utf-8"), folder, MODEL)
    assert project.clock == bank.world.end
    assert {s.table for s in project.sources} == {
        "Payment", "Transfer", "Repayment", "Merchant", "CreditRecord", "Label", "Consent",
        "Rate", *TABLES.values(),
    }  # fmt: skip
    assert [s.name for s in project.of("Payment")] == ["terminals", "online"]


def test_the_same_bank_writes_the_same_bytes_whatever_the_blocks(folder, exports, tmp_path):
    again = write_exports(made(block=97), tmp_path)
    assert again.dirt == exports.dirt
    assert again.rows == exports.rows
    for one, two in zip(exports.files, again.files, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_a_clean_bank_has_no_dirt(tmp_path):
    exports = write_exports(Bank(40, 7, date(2025, 9, 20), 40), tmp_path, dirty=False)
    assert not any(exports.refused(source) for source in exports.dirt)
    for rows_of in (terminals, online):
        faults, twice, sound = judged(rows_of(tmp_path))
        assert not faults
        assert not twice
        assert sound
