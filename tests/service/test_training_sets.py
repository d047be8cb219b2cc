# SPDX-License-Identifier: Apache-2.0
"""Training sets of the past: the rows, labels and inputs that were known then, by an oracle."""

from __future__ import annotations

import math
from random import Random

import pytest

from heptad.apps.credit import app as credit
from heptad.runtime import Platform
from heptad.standards.errors import ContractError
from heptad.standards.model import (
    CreditRecord,
    Label,
    LoanApplication,
    Payment,
    Rate,
    Repayment,
    Transfer,
)
from heptad.standards.time import FixedClock, day, hour, parse_instant
from heptad.testing.definition import Ask, Version, current, value
from tests.service.oracle import Given, csv_text

START = parse_instant("2024-01-01T00:00:00Z")
COLUMNS = {
    LoanApplication: ["id", "event_time", "customer", "amount", "currency", "term"],
    Transfer: ["id", "event_time", "customer", "direction", "amount", "currency", "kind"],
    Rate: ["id", "event_time", "base", "quote", "rate"],
    CreditRecord: ["id", "event_time", "customer", "overdue", "enquiries"],
    Label: ["id", "event_time", "customer", "application", "default"],
}
PROJECT = '[project]\nname = "training"\n' + "".join(
    f'[[source]]\nname = "{t.__name__}"\ntable = "{t.__name__}"\nfrom = "{t.__name__}_*.csv"\n'
    'map = { deleted = "op = \'D\'", known_time = "known" }\n'
    for t in COLUMNS
)


def histories(random: Random) -> dict:
    """Two years of six customers: some rows late, corrected or taken back."""
    rows: dict = {table: [] for table in COLUMNS}

    def add(table, key, at, **fields):
        values = {"id": key, "event_time": at, **fields}
        known = at + random.choice([0, 0, hour, 3 * day, 60 * day])
        rows[table].append(Given(values, known))
        fate = random.random()
        if fate < 0.1:
            rows[table].append(Given({"id": key, "event_time": at}, known + 9 * day, gone=True))
        elif fate < 0.25:
            name = next(n for n in ("amount", "rate", "overdue", "default") if n in values)
            other = (not values[name]) if name == "default" else values[name] + 1
            rows[table].append(Given(values | {name: other}, known + 5 * day))

    for n in range(25):
        add(Rate, f"r{n}", START + n * 30 * day, base="USD", quote="EUR", rate=9 * 10**8 + n)
    for n in range(200):
        at = START + random.randrange(700) * day
        add(Transfer, f"t{n}", at, customer=f"c{n % 6}", direction=random.choice(["in", "out"]),
            amount=random.randrange(1, 10**6), currency=random.choice(["EUR", "EUR", "USD"]),
            kind=random.choice(["salary", "bill"]))  # fmt: skip
    for n in range(40):
        at = START + random.randrange(700) * day
        add(CreditRecord, f"b{n}", at, customer=f"c{n % 6}", overdue=n % 4, enquiries=n % 7)
    for n in range(60):
        at = START + (100 + random.randrange(500)) * day
        add(LoanApplication, f"a{n}", at, customer=f"c{n % 6}", amount=10**5 + n, currency="EUR",
            term=12)  # fmt: skip
        for again in range(random.choice([0, 1, 1, 1, 2])):
            add(Label, f"l{n}.{again}", at, customer=f"c{n % 6}", application=f"a{n}",
                default=random.random() < 0.4)  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def rows():
    return histories(Random(3))


@pytest.fixture(scope="module")
def platform(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("training")
    (folder / "heptad.toml").write_text(PROJECT, encoding="utf-8")
    for table, given in rows.items():
        for n in range(2):
            text = csv_text(COLUMNS[table], given[n::2], known=True)
            (folder / f"{table.__name__}_{n}.csv").write_text(text, encoding="utf-8")
    with Platform.open(folder, clock=FixedClock(START + 900 * day)) as opened:
        assert not any(r.quarantined for r in opened.load())
        yield opened


def versions(rows) -> dict:
    names = {t: [c.name for f in t.fields.values() for c in f.columns()] for t in rows}
    found = {
        t: [Version({n: r.values.get(n) for n in names[t]}, r.known, r.gone) for r in given]
        for t, given in rows.items()
    }
    return found | {Payment: [], Repayment: []}


def wanted(tables, until: int, known: int) -> dict:
    """Key → (t, target, inputs) by the definition, of all row versions by table."""
    model = credit.model
    labels = sorted(current(tables[Label], "id", known), key=lambda r: (r["event_time"], r["id"]))
    target = {r["application"]: r["default"] for r in labels}
    there = {r["id"] for r in current(tables[LoanApplication], "id", known)}
    found = {}
    for key in target.keys() & there:
        first = min((v for v in tables[LoanApplication] if v.values["id"] == key),
                    key=lambda v: v.known)  # fmt: skip
        t = first.values["event_time"]
        if t < min(until, known - model.matures):
            inputs = {n: input_of(n, first, tables) for n in model.inputs}
            found[key] = (t, int(target[key]), inputs)
    return found


def input_of(name: str, first: Version, tables):
    """A field of the application, or a feature at its own instants; it lies in its own windows."""
    feature = credit.features.get(name)
    if feature is None:
        return first.values[name]
    own = first.values["id"] if feature.table is LoanApplication else None
    ask = Ask(first.values["customer"], first.values["event_time"], first.known, own)
    return value(feature, tables, ask)


def plain(value):
    return None if value is None or math.isnan(value) else float(value)


@pytest.mark.parametrize("days", [(420, 420), (500, 600), (900, 600), (900, 900)])
def test_a_training_set_of_the_past_holds_what_was_known_then(platform, rows, days):
    until, known = (START + n * day for n in days)
    data = platform.training_set("credit", until=until, known=known)
    want = wanted(versions(rows), until, known)
    assert len(want) > 5
    agrees(data, want)


def agrees(data, want) -> None:
    """Hold a training set to what is wanted: its rows, their order, instants, labels and inputs."""
    assert sorted(data.keys) == sorted(want)
    assert list(data.t) == sorted(data.t)
    for n, key in enumerate(data.keys):
        t, target, inputs = want[key]
        assert (data.t[n], data.target[n]) == (t, target), key
        got = {name: plain(column[n]) for name, column in data.columns.items()}
        assert got == {name: plain(v) for name, v in inputs.items()}, key


def test_the_instants_chosen_tell_different_sets(rows):
    """The comparison would notice labels or rows that were not known yet."""
    tables = versions(rows)
    sizes = [len(wanted(tables, START + u * day, START + k * day))
             for u, k in ((420, 420), (500, 600), (900, 600), (900, 900))]  # fmt: skip
    assert len(set(sizes)) > 2


def test_without_labels_known_by_then_there_is_nothing_to_learn(platform):
    with pytest.raises(ContractError, match="known by then"):
        platform.training_set("credit", until=START + 50 * day, known=START + 50 * day)
