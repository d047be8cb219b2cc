# SPDX-License-Identifier: Apache-2.0
"""Three years loaded at once: training sets of the past hold what was known, whatever came later."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest

from heptad.apps.credit import app as credit
from heptad.runtime import Platform
from heptad.service.training import TrainingSet, train
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
from heptad.testing.definition import current
from tests.service.oracle import Given, Kept, csv_text
from tests.service.test_training_sets import agrees, input_of, plain

START = parse_instant("2023-01-01T00:00:00Z")
YEARS = 1096
PEOPLE = 30
COLUMNS = {
    LoanApplication: ["id", "event_time", "customer", "amount", "currency", "term"],
    Transfer: ["id", "event_time", "customer", "direction", "amount", "currency", "kind"],
    Payment: ["id", "event_time", "customer", "amount", "currency", "status"],
    Repayment: ["id", "event_time", "loan", "customer", "due", "paid", "currency", "days_late"],
    CreditRecord: ["id", "event_time", "customer", "open_loans", "overdue", "enquiries",
                   "worst_late"],
    Rate: ["id", "event_time", "base", "quote", "rate"],
    Label: ["id", "event_time", "customer", "application", "default"],
}  # fmt: skip
AFTER = dict.fromkeys(COLUMNS, 2 * hour) | {Label: 200 * day, CreditRecord: 9 * day, Rate: 0}
"""How long after the event each source's history was known."""
SPOILT = {LoanApplication: "amount", Transfer: "amount", Payment: "amount", Repayment: "days_late",
          CreditRecord: "overdue", Rate: "rate", Label: "default"}  # fmt: skip
ARRIVALS = (YEARS, YEARS + 20, YEARS + 60)
"""The days of the first load and of the two that follow."""
PROJECT = '[project]\nname = "history"\n' + "".join(
    f'[[source]]\nname = "{t.__name__}"\ntable = "{t.__name__}"\nfrom = "{t.__name__}_*.csv"\n'
    f'known_after = "{AFTER[t] // hour} hours"\nmap = {{ deleted = "op = \'D\'" }}\n'
    for t in COLUMNS
)


class Made:
    """Three years of thirty customers, and what arrives later about them."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.first: dict = {table: [] for table in COLUMNS}
        n = self.random.randrange
        for i in range(40):
            self.add(Rate, i, i * 27 * day, base="USD", quote="EUR", rate=9 * 10**8 + n(10**6))
        for i in range(500):
            self.add(Transfer, i, n(YEARS) * day + n(24) * hour, amount=n(1, 10**6),
                     currency=self.one("EUR", "EUR", "USD"), direction=self.one("in", "out"),
                     kind=self.one("salary", "bill"))  # fmt: skip
            self.add(Payment, i, n(YEARS) * day + n(24) * hour, amount=n(1, 10**5), currency="EUR",
                     status=self.one("authorised", "authorised", "declined"))  # fmt: skip
        for i in range(200):
            self.add(Repayment, i, n(YEARS) * day, loan=f"l{i % 9}", due=5_000, paid=n(5_000),
                     currency="EUR", days_late=n(60))  # fmt: skip
            self.add(CreditRecord, i, n(YEARS) * day, open_loans=n(4), overdue=n(3),
                     enquiries=n(7), worst_late=n(90))  # fmt: skip
        for i in range(480):
            self.apply(i, n(100, YEARS) * day + n(24) * hour)

    def one(self, *of):
        return self.random.choice(of)

    def add(self, table, name, at, **fields) -> None:
        fields.setdefault("customer", f"c{self.random.randrange(PEOPLE)}")
        values = {"id": f"{table.__name__}-{name}", "event_time": START + at, **fields}
        if table is Rate:
            del values["customer"]
        self.first[table].append(Given(values))

    def apply(self, i: int, at: int) -> None:
        """One application; most have a label, some two that differ, some none yet."""
        who, amount = f"c{self.random.randrange(PEOPLE)}", self.random.randrange(10**5, 10**6)
        term = 12 * self.random.randrange(1, 6)
        self.add(LoanApplication, i, at, customer=who, amount=amount, currency="EUR", term=term)
        for again in range(self.one(0, 1, 1, 1, 1, 2)):
            self.add(
                Label,
                f"{i}.{again}",
                at,
                customer=who,
                application=f"LoanApplication-{i}",
                default=self.random.random() < amount / 10**6 * 0.6 + term / 60 * 0.6 - 0.1,
            )

    def later(self, part: int) -> dict:
        """What one later load brings: rows again, corrected, moved, taken back, and late ones."""
        found: dict = {}
        for table, rows in self.first.items():
            chosen = self.random.sample(rows, max(6, len(rows) // 8))
            found[table] = [self.fate(table, row, part) for row in chosen]
        for row in found[LoanApplication]:
            if "late" in row.values["id"]:
                names = ("event_time", "customer")
                values = {name: row.values[name] for name in names}
                values |= {"id": f"Label-of-{row.values['id']}", "application": row.values["id"]}
                found[Label].append(Given(values | {"default": self.one(True, False)}))
        return found

    def fate(self, table, row: Given, part: int) -> Given:
        values, field = row.values, SPOILT[table]
        fate = self.one("again", "corrected", "corrected", "moved", "gone", "late")
        if fate == "gone":
            return Given({name: values[name] for name in ("id", "event_time")}, gone=True)
        if fate == "moved" and table is not Rate:
            return Given(values | {"customer": f"c{self.random.randrange(PEOPLE)}"})
        if fate in ("moved", "corrected"):
            now = (not values[field]) if field == "default" else values[field] + 1
            return Given(values | {field: now})
        return Given(values | {"id": f"{values['id']}-late-{part}"} if fate == "late" else values)


class Past:
    """A project after each load, and the row versions that it must hold by then."""

    def __init__(self, folder, seed: int) -> None:
        (folder / "heptad.toml").write_text(PROJECT, encoding="utf-8")
        self.folder, self.made, self.clock = folder, Made(seed), FixedClock(START)
        self.kept = {table: Kept(table) for table in COLUMNS}
        self.platform = Platform.open(folder, clock=self.clock)
        self.counts: Counter = Counter()
        self.inputs: dict = {}
        self.part = -1

    def load(self) -> None:
        """Make the next load, and tell the oracle."""
        self.part += 1
        rows = self.made.later(self.part) if self.part else self.made.first
        self.clock.set(START + ARRIVALS[self.part] * day)
        for table, given in rows.items():
            text = csv_text(COLUMNS[table], given, known=False)
            path = self.folder / f"{table.__name__}_{self.part}.csv"
            path.write_text(text, encoding="utf-8")
            how = "arrival" if self.part else "assumed"
            self.kept[table].load(given, self.clock.now(), known=how, known_after=AFTER[table])
        for report in self.platform.load():
            assert not report.quarantined
            self.counts += Counter(corrections=report.corrections, duplicates=report.duplicates)

    def decide(self) -> None:
        """Let the model that was trained last decide some applications that have no decision."""
        (model,) = self.platform.catalog.models.recent(app="credit", limit=1)
        self.platform.approve(model.id, "somebody else", "read")
        made = len(self.platform.log)
        ids = [row.values["id"] for row in self.made.first[LoanApplication][made : made + 40]]
        self.platform.decide("credit", keys=ids)

    def wanted(self, until: int, known: int) -> dict:
        """Key → (t, target, inputs) of the rows of a training set."""
        labels = current(self.kept[Label].versions, "id", known)
        labels.sort(key=lambda row: (row["event_time"], row["id"]))
        target = {row["application"]: row["default"] for row in labels}
        applications = self.kept[LoanApplication].versions
        there = {row["id"] for row in current(applications, "id", known)}
        first: dict = {}
        for version in applications:
            before = first.setdefault(version.values["id"], version)
            if version.known < before.known:
                first[version.values["id"]] = version
        edge = min(until, known - credit.model.matures)
        return {
            key: (first[key].values["event_time"], int(target[key]), self.inputs_of(first[key]))
            for key in sorted(target.keys() & there)
            if first[key].values["event_time"] < edge
        }

    def inputs_of(self, first) -> dict:
        """The inputs of one application, from all that is stored about its customer."""
        mark = (first.values["id"], self.part)
        if mark not in self.inputs:
            tables = {table: self.about(table, first) for table in COLUMNS}
            self.inputs[mark] = {n: input_of(n, first, tables) for n in credit.model.inputs}
        return self.inputs[mark]

    def about(self, table, first) -> list:
        """All versions of the rows that ever named the customer: what the definition looks at."""
        kept = self.kept[table].versions
        who = first.values["customer"]
        keys = {v.values["id"] for v in kept if table is Rate or v.values["customer"] == who}
        return [v for v in kept if v.values["id"] in keys]

    def set_of(self, until: int, known: int) -> TrainingSet:
        """The oracle's own training set."""
        want = sorted(self.wanted(until, known).items(), key=lambda pair: (pair[1][0], pair[0]))
        columns = {
            name: np.array([_number(inputs[name]) for _, (_, _, inputs) in want])
            for name in credit.model.inputs
        }
        t, target = ([each[n] for _, each in want] for n in (0, 1))
        return TrainingSet(columns, np.array(target), np.array(t), [key for key, _ in want])


def _number(value) -> float:
    found = plain(value)
    return np.nan if found is None else found


ASKED = [(300, 300), (500, 720), (900, 720), (YEARS, YEARS), (YEARS, YEARS + 19),
         (YEARS, YEARS + 30), (YEARS, YEARS + 59), (YEARS + 400, YEARS + 400)]  # fmt: skip


@pytest.fixture(scope="module", params=[11, pytest.param(12, marks=pytest.mark.soak)])
def past(request, tmp_path_factory):
    made = Past(tmp_path_factory.mktemp("history"), request.param)
    yield made
    made.platform.close()


def asked(past: Past) -> dict:
    """Training sets, each held to the oracle; those that nobody could know yet are left out."""
    found = {}
    now = ARRIVALS[past.part] + 1
    for until, known in ASKED:
        if known > now and known < ASKED[-1][1]:
            continue
        instants = START + until * day, START + known * day
        found[until, known] = past.wanted(*instants)
        if not found[until, known]:
            continue
        agrees(past.platform.training_set("credit", until=instants[0], known=instants[1]),
               found[until, known])  # fmt: skip
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_training_sets_of_the_past_agree_with_the_oracle_after_every_load(past):
    """What was known then is the same after corrections, deletions and late rows of today."""
    past.load()
    sets = [asked(past)]
    until, known = START + YEARS * day, START + (YEARS + 10) * day
    chosen = past.set_of(until, known)
    assert min(chosen.target.sum(), len(chosen) - chosen.target.sum()) > 90
    trained = past.platform.train("credit", until=until, known=known, seed=5)
    past.decide()
    assert trained.estimator.to_bytes() == train(credit.model, chosen, seed=5).estimator.to_bytes()
    for _ in ARRIVALS[1:]:
        past.load()
        sets.append(asked(past))
        for point in sets[0].keys() - {ASKED[-1]}:
            assert sets[-1][point] == sets[0][point], point
    again = past.platform.train("credit", until=until, known=known, seed=5)
    assert again.estimator.to_bytes() == trained.estimator.to_bytes()
    seen = past.counts
    assert seen["corrections"] > 100
    assert seen["duplicates"] > 50
    told_apart(past, sets)
    past.platform.train("credit", seed=6)
    past.decide()
    models = Counter(e.public["model"] for e in past.platform.log.entries())
    assert sorted(models.values()) == [40, 40]
    report = past.platform.replay()
    assert report.decided == report.derived == {"identical": 80}, report.findings


def told_apart(past: Past, sets: list) -> None:
    """The comparison could fail: each kind of later row changes a set of a later instant."""
    assert not sets[0][300, 300], "labels are known 200 days after"
    sizes = [len(each) for each in sets[-1].values()]
    assert len(set(sizes)) > 4
    before, after = sets[0][YEARS, YEARS], sets[-1][ASKED[-1]]
    shared = before.keys() & after.keys()
    assert any(before[key][1] != after[key][1] for key in shared), "no label was corrected"
    assert before.keys() - after.keys(), "nothing was taken back"
    assert any("late" in key for key in after), "no application came late"
    assert not any("late" in key for key in before)
    assert all(before[key][2] == after[key][2] for key in shared), "a past input has changed"
