# SPDX-License-Identifier: Apache-2.0
"""The simulated bank is the same bit for bit, coherent, and holds what it says was planted."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.sources.bank import MISSING, Bank
from heptad.sources.bank.digits import card_numbers, ibans, luhn_valid, scrambled
from heptad.sources.bank.draws import Draws, below, poisson, power, spread, weighted
from heptad.sources.bank.rendering import ambiguous, local
from heptad.sources.bank.world import DAY, clock_shifts
from heptad.standards.errors import ContractError, UnknownName
from heptad.standards.fields import Code, Ref
from heptad.standards.model import MODEL

START = date(2025, 9, 1)
TABLES = (
    "Customer", "Account", "Card", "Device", "Consent", "Company", "Merchant", "Rate",
    "LoanApplication", "Loan", "Repayment", "CreditRecord", "Label", "Transfer", "Payment",
)  # fmt: skip
SMALL = {"customers": 240, "seed": 7, "start": START, "days": 70}
GOLDEN = "51eabbd4d28e40d519657707e5aea14b4c643ed9c8a9a293f82b75c4fd8052a2"


def gathered(batches):
    """All batches of one table as one."""
    batches = list(batches)
    return {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}


def digest(*batches):
    found = hashlib.sha256()
    for name, values in sorted(gathered(batches).items()):
        found.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def bank():
    return Bank(2000, 7, START, 395)


@pytest.fixture(scope="module")
def tables(bank):
    return {name: gathered(bank.table(name)) for name in TABLES}


@pytest.fixture(scope="module")
def truth(bank):
    return gathered(bank.truth())


# The same, bit for bit


@pytest.fixture(scope="module")
def small():
    return {block: Bank(**SMALL, block=block) for block in (30, 97, 240)}


@pytest.mark.parametrize("table", TABLES)
def test_the_size_of_blocks_changes_nothing(small, table):
    usual, odd = (gathered(small[block].table(table)) for block in (240, 97))
    for name in usual:
        assert (usual[name] == odd[name]).all(), name


@pytest.fixture(scope="module")
def whole(small):
    return {name: gathered(getattr(small[240], name)()) for name in ("payments", "transfers")}


@pytest.mark.parametrize("stream", ["payments", "transfers"])
@settings(max_examples=15, deadline=None)
@given(
    first=st.integers(0, 69),
    length=st.integers(1, 6),
    rows=st.sampled_from([1, 13, 1000]),
    block=st.sampled_from([30, 97, 240]),
)
def test_any_days_alone_equal_their_part_of_the_whole(
    small, whole, stream, first, length, rows, block
):
    after = min(first + length, 70)
    part = gathered(getattr(small[block], stream)(first, after, rows))
    days = (whole[stream]["event_time"] - small[block].world.start) // DAY
    for name, values in part.items():
        expected = whole[stream][name][(days >= first) & (days < after)]
        assert (expected == values).all(), name


def test_other_seeds_are_other_banks():
    one, two = (gathered(Bank(**{**SMALL, "seed": n}).payments(0, 5)) for n in (7, 8))
    assert not set(one["id"].tolist()) & set(two["id"].tolist())


PROGRAM = """
import hashlib, sys
from datetime import date
from heptad.sources.bank import Bank
bank = Bank(300, 7, date(2025, 9, 1), 60, block=int(sys.argv[1]))
found = hashlib.sha256()
for table in ("Payment", "Transfer", "LoanApplication", "Label"):
    for batch in bank.table(table):
        for name in batch:
            for value in batch[name].tolist():
                found.update(repr(value).encode())
print(found.hexdigest())
"""


def in_a_process(program, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_other_processes_and_processors_make_the_same_bank():
    plain = in_a_process(PROGRAM, 300, PYTHONHASHSEED="1")
    other = in_a_process(PROGRAM, 300, PYTHONHASHSEED="2", NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4")
    assert plain == other


def test_the_bank_of_a_seed_never_changes():
    """A golden value: if this fails, every simulated project changes with this release."""
    bank = Bank(300, 7, START, 60)
    assert int(Draws(7).of("golden", np.arange(3))[2]) == 5527748170324702938
    assert digest(*bank.payments(0, 30)) == GOLDEN


def test_a_large_bank_streams_in_little_memory():
    program = """
import resource
from datetime import date
from heptad.sources.bank import Bank
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bank = Bank(100_000, 7, date(2025, 9, 1), 395)
rows = sum(len(batch["id"]) for batch in bank.payments(200, 203, rows=16_384))
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    rows, kilobytes = map(int, in_a_process(program).split())
    assert rows > 100_000
    assert kilobytes < 64 * 1024


@pytest.mark.parametrize(
    ("clause", "value"),
    [("customers", 19), ("customers", 10_000_001), ("days", 29), ("block", 0)],
)
def test_parameters_out_of_range_are_refused(clause, value):
    with pytest.raises(ContractError, match=f"Bank.{clause} must lie between"):
        Bank(**{**SMALL, clause: value})


def test_ten_years_keep_within_their_bounds():
    bank = Bank(60, 7, START, 3650)
    for batch in (*bank.transfers(3600), *bank.payments(3640)):
        assert (batch["amount"] >= 1).all()
    assert len(gathered(bank.table("Loan"))["id"]) > 100


def test_an_unknown_table_is_named():
    with pytest.raises(UnknownName, match="has no table 'Paymnt'"):
        Bank(**SMALL).table("Paymnt")


# Draws


def test_draws_are_near_their_distributions():
    words = Draws(3).of("test", np.arange(200_000))
    assert abs(below(words, 1000).mean() - 499.5) < 3
    assert abs(poisson(words, np.full(len(words), 128 * 2)).mean() - 2) < 0.02
    assert abs(np.median(spread(10_000, words, 60_000)) - 10_000) < 100
    octaves = np.arange(-10, 10) * 65_536
    assert power(octaves).tolist() == [2**n * 65_536 >> 10 for n in range(20)]
    assert np.bincount(weighted([1, 2, 5])).tolist() == [8192, 16_384, 40_960]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 39_999_999), min_size=1, max_size=40, unique=True))
def test_numbers_are_unique_and_carry_their_check_digits(keys):
    array = np.array(keys)
    cards = [c.decode() for c in card_numbers(array).tolist()]
    assert len(set(cards)) == len(keys)
    assert all(len(c) == 16 and luhn_valid(c) for c in cards)
    for iban in (i.decode() for i in ibans(array).tolist()):
        digits = "".join(str(int(c, 36)) for c in iban[4:] + iban[:4])
        assert len(iban) == 24
        assert int(digits) % 97 == 1
    assert len(set(scrambled(array, np.uint64(5)).tolist())) == len(keys)


def test_clocks_follow_the_rules_of_summer_time():
    from datetime import UTC, datetime, timedelta
    from zoneinfo import ZoneInfo

    zones = {"CET": "Europe/Madrid", "WET": "Europe/Lisbon", "EET": "Europe/Athens",
             "EST": "America/New_York", "JST": "Asia/Tokyo"}  # fmt: skip
    for n in range(0, 900, 1):
        noon = datetime(2025, 1, 1, 12, tzinfo=UTC) + timedelta(days=n)
        shifts = clock_shifts(noon.date())
        for clock, name in zones.items():
            lead = noon.astimezone(ZoneInfo(name)).utcoffset()
            assert lead == timedelta(hours=shifts[clock]), (noon, clock)
    first = int(datetime(2025, 10, 24, tzinfo=UTC).timestamp()) * 1_000_000
    times = first + np.arange(0, 4 * 24 * 60, 7) * 60_000_000
    for text, twice, time in zip(local(times), ambiguous(times), times.tolist(), strict=True):
        there = datetime.fromtimestamp(time / 1e6, ZoneInfo("Europe/Berlin"))
        assert text.decode() == there.strftime("%d/%m/%Y %H:%M:%S")
        other = there.replace(fold=1 - there.fold)
        assert bool(twice) == (other.utcoffset() != there.utcoffset())


# Coherence


@pytest.mark.parametrize("name", TABLES)
def test_every_row_keeps_the_contract_of_its_table(tables, name):
    table, rows = MODEL[name], tables[name]
    assert len(rows["id"])
    places = {"place_lat", "place_lon", "home_lat", "home_lon", "known_time"}
    assert set(rows) - places <= set(table.fields)
    for field in table.fields.values():
        if field.name not in rows:
            continue
        values = rows[field.name]
        missing = values == MISSING if values.dtype.kind == "i" else values == values.dtype.type()
        assert field.optional or not missing.any(), field.title
        told = values[~missing]
        if isinstance(field, Code):
            assert {v.decode() for v in set(told.tolist())} <= set(field.codes), field.title
        if field.ge is not None and len(told):
            assert told.min() >= field.ge, field.title
        if field.le is not None and len(told):
            assert told.max() <= field.le, field.title
    assert (rows["known_time"] >= rows["event_time"]).all()


@pytest.mark.parametrize("name", TABLES)
def test_every_reference_leads_to_a_row(tables, name):
    for field in MODEL[name].fields.values():
        if isinstance(field, Ref) and field.name in tables[name]:
            told = set(tables[name][field.name].tolist()) - {b""}
            assert told <= set(tables[field.target_name]["id"].tolist()), field.title


@pytest.mark.parametrize("name", TABLES)
def test_events_have_one_row_per_key_and_states_one_per_instant(tables, name):
    rows = tables[name]
    keys = rows["id"].tolist()
    if MODEL[name].state:
        keys = list(zip(keys, rows["event_time"].tolist(), strict=True))
    if name == "Repayment":
        keys = list(zip(keys, rows["known_time"].tolist(), strict=True))
    assert len(set(keys)) == len(keys)


def test_payments_are_in_time_order_and_follow_the_card(tables):
    payments, cards = tables["Payment"], tables["Card"]
    assert (np.diff(payments["event_time"]) >= 0).all()
    issued, blocked = {}, {}
    rows = zip(*(cards[n].tolist() for n in ("number", "event_time", "status")), strict=True)
    for number, time, status in rows:
        (issued if status == b"active" else blocked)[number] = time
    used = zip(payments["card"].tolist(), payments["event_time"].tolist(), strict=True)
    wrong = [c for c, t in used if t < issued[c] or t >= blocked.get(c, t + 1)]
    assert not wrong
    assert blocked


def test_money_between_own_customers_leaves_one_account_and_reaches_another(tables):
    t = tables["Transfer"]
    inside = np.char.startswith(t["counterparty"], b"A") & (t["kind"] == b"person")
    out, into = (inside & (t["direction"] == d) for d in (b"out", b"in"))
    sent = sorted(zip(t["account"][out], t["counterparty"][out], t["amount"][out], strict=True))
    got = sorted(zip(t["counterparty"][into], t["account"][into], t["amount"][into], strict=True))
    assert sent == got
    assert len(sent) > 1000


def test_loans_flow_through_the_accounts(tables, bank):
    transfers, loans, due = tables["Transfer"], tables["Loan"], tables["Repayment"]
    starts = loans["status"] == b"running"
    _, first = np.unique(loans["id"][starts], return_index=True)
    paid_out = transfers["amount"][transfers["kind"] == b"loan"].sum()
    assert paid_out == loans["amount"][starts][first].sum()
    served = np.char.startswith(transfers["counterparty"], b"B")
    served &= transfers["kind"] == b"repayment"
    told = due["known_time"] < bank.world.end
    assert transfers["amount"][served].sum() == due["paid"][told].sum()


def test_what_customers_earn_covers_what_they_spend(tables):
    """Most customers end the year about even: nobody spends what never came in."""
    payments, transfers = tables["Payment"], tables["Transfer"]
    into = transfers["direction"] == b"in"
    earned = transfers["amount"][into].sum()
    spent = payments["amount"][payments["status"] == b"authorised"].sum()
    gone = transfers["amount"][~into].sum()
    assert 0.75 < (spent + gone) / earned < 1.02


def test_repayments_paid_late_come_as_two_versions(tables):
    due = tables["Repayment"]
    order = np.lexsort((due["known_time"], due["id"]))
    ids, paid = due["id"][order], due["paid"][order]
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    assert len(twice) > 50
    assert (paid[twice] == 0).all()
    assert (due["days_late"][order][twice + 1] > 0).all()


def test_bureau_records_have_gaps(tables):
    records = tables["CreditRecord"]
    assert 0.05 < (records["worst_late"] == MISSING).mean() < 0.15
    known = len(set(records["customer"].tolist())) / 2000
    assert 0.6 < known < 0.9


# Seasons


def test_the_year_the_week_and_the_day_show_in_the_payments(tables, bank):
    when = tables["Payment"]["event_time"]
    day = (when - bank.world.start) // DAY
    per_day = np.bincount(day, minlength=395)
    dates = [bank.world.date(n) for n in range(395)]

    def mean_of(months):
        return np.mean([n for n, d in zip(per_day, dates, strict=True) if d.month in months])

    assert mean_of({12}) > 1.15 * mean_of({2})
    saturdays, sundays = (
        np.mean([n for n, d in zip(per_day, dates, strict=True) if d.weekday() == w])
        for w in (5, 6)
    )
    assert saturdays > 1.25 * sundays
    hours = np.bincount(when // 3_600_000_000 % 24, minlength=24)
    assert hours[9:20].min() > 5 * hours[1:4].max()


def test_salaries_are_paid_on_working_days(tables, bank):
    t = tables["Transfer"]
    days = set(((t["event_time"] - bank.world.start) // DAY)[t["kind"] == b"salary"].tolist())
    assert {bank.world.date(n).weekday() for n in days} <= {0, 1, 2, 3, 4}


# What was planted


def of_motif(truth, motif):
    return {name: values[truth["motif"] == motif] for name, values in truth.items()}


def rows_of(table, ids):
    order = np.argsort(table["id"])
    found = order[np.searchsorted(table["id"][order], ids)]
    assert (table["id"][found] == ids).all()
    return {name: values[found] for name, values in table.items()}


@pytest.fixture(scope="module")
def history(truth, bank):
    return {name: values[truth["event_time"] < bank.world.end] for name, values in truth.items()}


def incidents(planted):
    for number in np.unique(planted["incident"]):
        yield np.flatnonzero(planted["incident"] == number)


def test_card_testing_is_many_small_payments_then_a_large_one(tables, history):
    planted = of_motif(history, b"card testing")
    rows = rows_of(tables["Payment"], planted["id"])
    found = list(incidents(planted))
    assert len(found) > 20
    for unordered in found:
        rank = unordered[np.argsort(rows["event_time"][unordered])]
        amounts, times = rows["amount"][rank], rows["event_time"][rank]
        assert len(rank) >= 6
        assert times[-1] - times[0] < 25 * 60_000_000
        assert (amounts[:4] <= 350).all()
        assert amounts[-1] >= 20_000
        assert len(set(rows["card"][rank].tolist())) == 1


def test_impossible_journeys_are_impossible(tables, history):
    planted = of_motif(history, b"impossible travel")
    rows = rows_of(tables["Payment"], planted["id"])
    found = list(incidents(planted))
    assert len(found) > 10
    for unordered in found:
        rank = unordered[np.argsort(rows["event_time"][unordered])]
        assert planted["fraud"][rank].tolist() == [0] + [1] * (len(rank) - 1)
        assert rows["event_time"][rank[1]] - rows["event_time"][rank[0]] < 20 * 60_000_000
        lat, lon = (np.radians(rows[n][rank[:2]] / 1e7) for n in ("place_lat", "place_lon"))
        chord = np.sin(lat[0]) * np.sin(lat[1])
        chord += np.cos(lat[0]) * np.cos(lat[1]) * np.cos(lon[0] - lon[1])
        assert 6371 * np.arccos(chord) > 4000


def test_taken_over_accounts_are_used_from_a_device_not_seen_before(tables, history):
    planted = of_motif(history, b"account take-over")
    planted = {n: v[planted["table"] == b"Payment"] for n, v in planted.items()}
    rows = rows_of(tables["Payment"], planted["id"])
    devices = rows_of(tables["Device"], rows["device"])
    assert (devices["event_time"] > rows["event_time"] - 3 * 3_600_000_000).all()
    assert (devices["event_time"] < rows["event_time"]).all()
    assert (devices["customer"] == rows["customer"]).all()


def test_mule_chains_pass_on_most_of_what_comes_in(tables, history):
    planted = of_motif(history, b"mule chain")
    rows = rows_of(tables["Transfer"], planted["id"])
    assert len(list(incidents(planted))) >= 2
    for rank in incidents(planted):
        times, amounts = rows["event_time"][rank], rows["amount"][rank]
        assert times.max() - times.min() < 8 * 3_600_000_000
        into, out = (rows["direction"][rank] == d for d in (b"in", b"out"))
        outside = np.char.startswith(rows["counterparty"][rank], b"X")
        came, left = amounts[into & outside].sum(), amounts[out & outside].sum()
        assert 0.6 * came < left < came
        assert len(set(rows["customer"][rank].tolist())) == 4


def test_smurfs_stay_below_the_threshold(tables, history):
    planted = of_motif(history, b"smurfing")
    rows = rows_of(tables["Transfer"], planted["id"])
    for rank in incidents(planted):
        into = rank[rows["direction"][rank] == b"in"]
        assert len(into) == 12
        assert (rows["amount"][into] < 1_000_000).all()
        assert (rows["amount"][into] > 890_000).all()


def test_diverted_loans_go_where_they_must_not(tables, truth, bank):
    planted = of_motif(truth, b"diverted loan")
    sinks = np.char.startswith(tables["Transfer"]["counterparty"], b"K")
    told = {n: v[planted["table"] == b"Transfer"] for n, v in planted.items()}
    told = told["id"][told["event_time"] < bank.world.end]
    assert set(tables["Transfer"]["id"][sinks].tolist()) == set(told.tolist())
    early = bank.world.end - 6 * DAY
    lent = {
        n: v[(planted["table"] == b"Loan") & (planted["event_time"] < early)]
        for n, v in planted.items()
    }
    loans = rows_of(tables["Loan"], lent["id"])
    for customer, amount, start in zip(
        loans["customer"], loans["amount"], lent["event_time"], strict=True
    ):
        t = tables["Transfer"]
        near = sinks & (t["customer"] == customer) & (t["event_time"] >= start)
        gone = t["amount"][near & (t["event_time"] < start + 4 * DAY)].sum()
        assert gone >= 0.8 * amount
    assert 0.02 < len(lent["id"]) / len(set(tables["Loan"]["id"].tolist())) < 0.07


def test_customers_entered_twice_share_their_birth_and_tax_number(tables, truth):
    planted = of_motif(truth, b"duplicate customer")
    copies = rows_of(tables["Customer"], planted["id"])
    first = rows_of(tables["Customer"], planted["incident"])
    assert len(planted["id"]) >= 10
    for name in ("birth", "tax_number", "home_lat", "phone"):
        assert (copies[name] == first[name]).all(), name
    assert (copies["name"] != first["name"]).mean() > 0.9
    taxed = tables["Customer"]["tax_number"]
    people = len(set(tables["Customer"]["id"].tolist())) - len(planted["id"])
    assert len(set(taxed.tolist())) == people


def test_labels_follow_from_the_truth_with_little_noise(tables, history):
    labels = tables["Label"]
    flagged = labels["fraud"] == 1
    told = set(labels["payment"][flagged].tolist())
    real = set(history["id"][(history["fraud"] == 1) & (history["table"] == b"Payment")].tolist())
    false = set(of_motif(history, b"false report")["id"].tolist())
    assert told - real == false
    assert 0 < len(false) < 0.05 * len(told)
    assert 0.85 * len(real) < len(told & real) < len(real)
    paid = rows_of(tables["Payment"], labels["payment"][flagged])
    assert (paid["event_time"] == labels["event_time"][flagged]).all()
    delay = (labels["known_time"] - labels["event_time"])[flagged] // DAY
    assert delay.min() >= 0
    assert delay.max() <= 21
    cleared = labels["payment"][labels["fraud"] == 0]
    assert len(cleared) > 2000
    assert not set(cleared.tolist()) & real
    share = len(real) / len(tables["Payment"]["id"])
    assert 0.001 < share < 0.005


# Lending


@pytest.fixture(scope="module")
def lent(tables):
    """Applications of the first 215 days that were granted, with what became of them."""
    labels = tables["Label"]
    mine = labels["application"] != b""
    asked = rows_of(tables["LoanApplication"], labels["application"][mine])
    kept = asked["event_time"] < asked["event_time"].min() + 215 * DAY
    bad = labels["default"][mine] == 1
    return {n: v[kept] for n, v in asked.items()} | {"bad": bad[kept]}


def test_defaults_are_as_frequent_as_in_banks(lent):
    assert len(lent["bad"]) > 500
    assert 0.03 < lent["bad"].mean() < 0.08


def test_default_labels_are_known_when_the_window_or_ninety_days_have_passed(tables, bank):
    labels, loans = tables["Label"], tables["Loan"]
    mine = labels["application"] != b""
    age = (labels["known_time"] - labels["event_time"])[mine] // DAY
    bad = labels["default"][mine] == 1
    assert (age[~bad] >= 180).all()
    assert (age[~bad] <= 184).all()
    assert (age[bad] >= 120).all()
    failed = loans["status"] == b"defaulted"
    when = dict(zip(loans["application"][failed], loans["event_time"][failed], strict=True))
    for application, known in zip(
        labels["application"][mine][bad], labels["known_time"][mine][bad], strict=True
    ):
        if known < bank.world.end:
            assert when[application] < known < when[application] + 2 * DAY


def windowed(rows, chosen, asked, over, start, value=None):
    """Sum (or count) of a customer's rows in the window that ends at each application."""
    number = np.char.lstrip(rows["customer"][chosen], b"C").astype(np.int64)
    key = number * 2**46 + rows["event_time"][chosen] - start
    order = np.argsort(key, kind="stable")
    amount = np.ones(len(key), dtype=np.int64) if value is None else rows[value][chosen]
    sums = np.concatenate([[0], np.cumsum(amount[order])])
    who = np.char.lstrip(asked["customer"], b"C").astype(np.int64) * 2**46
    since = np.maximum(asked["event_time"] - start - over, 0)
    at = np.searchsorted(key[order], who + asked["event_time"] - start, side="right")
    return sums[at] - sums[np.searchsorted(key[order], who + since, side="right")]


def auc(score, bad):
    rank = np.argsort(np.argsort(score, kind="stable"), kind="stable") + 1
    n = bad.sum()
    return (rank[bad].sum() - n * (n + 1) / 2) / (n * (len(bad) - n))


def test_default_follows_from_the_cash_flow_seen_before_the_application(tables, lent, bank):
    """Three ratios, summed with equal weights: nothing is fitted, nothing is latent."""
    t, p, start = tables["Transfer"], tables["Payment"], bank.world.start
    salary, out = t["kind"] == b"salary", t["direction"] == b"out"
    fixed = out & np.isin(t["kind"], (b"rent", b"bill", b"repayment"))
    saved = windowed(t, t["kind"] == b"savings", lent, 60 * DAY, start) > 0
    income = windowed(t, salary, lent, 60 * DAY, start, "amount")
    burden = windowed(t, fixed, lent, 60 * DAY, start, "amount")
    spent = windowed(p, p["status"] == b"authorised", lent, 60 * DAY, start, "amount")
    refused = windowed(p, p["status"] == b"declined", lent, 90 * DAY, start)
    made = windowed(p, p["amount"] > 0, lent, 90 * DAY, start)
    income = np.maximum(income, 20_000)
    ratios = (spent / income, burden / income, 2 * lent["amount"] / lent["term"] / income)
    score = sum(np.log1p(r) for r in ratios) + 4 * refused / np.maximum(made, 1) - saved
    assert 0.65 < auc(score, lent["bad"]) < 0.85


# The live day


def test_the_live_day_comes_in_order_with_late_corrected_and_repeated_rows(bank):
    import json

    arrivals = list(bank.live())
    assert all(a.instant <= b.instant for a, b in pairwise(arrivals))
    assert all(bank.world.end <= a.instant < bank.world.end + DAY for a in arrivals)
    remarks = [a.remark for a in arrivals]
    assert remarks.count("late") >= 1
    assert remarks.count("correction") == remarks.count("duplicate") == 1
    assert sum(a.table == "LoanApplication" for a in arrivals) >= 3
    by_id = {}
    for a in arrivals:
        row = json.loads(a.line)
        assert set(row) - {"place_lat", "place_lon"} <= set(MODEL[a.table].fields)
        by_id.setdefault(row["id"], []).append((a.remark, a.line))
    again = [versions for versions in by_id.values() if len(versions) > 1]
    assert len(again) == 2
    for (_, first), (remark, second) in again:
        assert (first == second) == (remark == "duplicate")


def test_the_live_day_holds_each_kind_of_card_fraud(bank, truth):
    import json

    today = truth["event_time"] >= bank.world.end
    ids = {json.loads(a.line)["id"].encode() for a in bank.live()}
    for motif in (b"card testing", b"impossible travel", b"account take-over"):
        planted = truth["id"][today & (truth["motif"] == motif) & (truth["table"] == b"Payment")]
        assert set(planted.tolist()) & ids
