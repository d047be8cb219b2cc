# SPDX-License-Identifier: Apache-2.0
"""What the online store calls fresh is what the definition gives now, whatever came and whenever."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from heptad.engine.local.rows import Rows
from heptad.runtime import Platform
from heptad.service.app import App, Outcome, Reason
from heptad.service.features import (
    count,
    earliest,
    largest,
    last,
    latest,
    mean,
    ratio,
    share,
    since,
    total,
)  # fmt: skip
from heptad.service.online.filling import Filling
from heptad.service.online.values import NOBODY, OnlineStore
from heptad.service.operators.patterns import decayed, sequence
from heptad.standards import day, hour, minute
from heptad.standards.model import Label, Payment
from heptad.standards.time import FixedClock, format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = parse_instant("2026-06-01T12:00:00Z")
BY, EUR = Payment.customer, Payment.currency == "EUR"
KEPT = {
    "count_1h": count(Payment.id, by=BY, over=hour),
    "spent": total(Payment.amount, by=BY, over=2 * hour, where=EUR),
    "mean_late": mean(Payment.amount, by=BY, over=hour, delay=20 * minute, where=EUR),
    "most": largest(Payment.amount, by=BY, over=last(3), where=EUR),
    "last_country": latest(Payment.country, by=BY, over=day, default="none"),
    "first": earliest(Payment.event_time, by=BY),
    "since": since(Payment.country, by=BY, over=3 * hour),
    "each_hour": count(Payment.id, by=BY, every=hour),
    "refused": share(Payment.id, by=BY, over=hour, where=Payment.status == "declined"),
    "part": ratio(
        total(Payment.amount, by=BY, over=hour, where=EUR),
        total(Payment.amount, by=BY, over=day, where=EUR),
    ),
    "seen": sequence(Payment.country, by=BY, over=day, n=3),
    "fading": decayed(Payment.id, by=BY, over=day, half=hour),
    "here": count(Payment.id, by=Payment.merchant, over=hour),
    "pair": count(Payment.id, by=(BY, Payment.merchant), over=hour),
    "walked": count(Label.id, by=Label.payment.merchant, over=6 * hour),
}
APP = App(
    name="online", title="Online", on=Payment, purpose="fraud", features=KEPT,
    decide=lambda _: Outcome("skip", [Reason("NONE", {})]),
)  # fmt: skip
NAMES = [f"online.{name}" for name in KEPT]


@pytest.fixture
def clock() -> FixedClock:
    """A clock that the test moves."""
    return FixedClock(NOW)


@pytest.fixture
def platform(tmp_path: Path, clock: FixedClock) -> Iterator[Platform]:
    """A project without rows."""
    (tmp_path / "heptad.toml").write_text('[project]\nname = "online"\n', encoding="utf-8")
    with Platform.open(tmp_path, clock=clock, apps=[APP]) as opened:
        yield opened


@pytest.fixture
def filling(platform: Platform, tmp_path: Path, clock: FixedClock) -> Iterator[Filling]:
    """What fills an online store beside the project."""
    with Rows(tmp_path / "online-rows", clock=clock) as rows:
        loads = platform.catalog.loads
        store = OnlineStore(rows, loads.newest)
        yield Filling(store, platform.reads, loads, platform.keys, clock, platform.loading.paused)


def payment(made: random.Random, number: int, at: int) -> dict[str, Any]:
    """Return a payment that was made around an instant."""
    return {
        "id": f"p{number}", "event_time": format_instant(at - made.randrange(5 * hour)),
        "customer": made.choice("abc"), "merchant": made.choice("mn"),
        "country": made.choice(["ES", "FR", None]), "amount": f"{made.randrange(100)}.50",
        "currency": made.choice(["EUR", "USD"]), "status": made.choice(["authorised", "declined"]),
    }  # fmt: skip


EVERYONE = [(customer, merchant) for customer in "abcx" for merchant in "mn"]


def asked(
    platform: Platform, filling: Filling, now: int, who: list[tuple[str, str]] = EVERYONE
) -> dict[str, set[str]]:
    """Compare what is kept of keys with the tables; return the states met, by feature."""
    features = platform.features(NAMES)
    met: dict[str, set[str]] = {name: set() for name in KEPT}
    customers, merchants = zip(*who, strict=True)
    spine = pa.table({
        "Customer": list(customers), "Merchant": list(merchants), "event_time": [now] * len(who),
    })  # fmt: skip
    for true in platform.reads.history(spine, features).to_pylist():
        keys = {"Customer": true["Customer"], "Merchant": true["Merchant"]}
        for name, reading in filling._store.read(keys, features, now).items():
            met[name].add(reading.state)
            if reading.state == "fresh":
                assert reading.value == true[name], (name, keys, reading)
                assert type(reading.value) is type(true[name])
    return met


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_what_is_fresh_is_what_the_definition_gives(platform, filling, clock, seed) -> None:
    made = random.Random(seed)
    features = platform.features(NAMES)
    filling.backfill(features)
    for step in range(4):
        posted = [payment(made, made.randrange(12), clock.now()) for _ in range(4)]
        posted = list({row["id"]: row for row in posted}.values())
        platform.store("Payment", posted)
        if made.random() < 0.5:
            label = {"id": f"l{step}", "event_time": format_instant(clock.now() - hour),
                     "payment": posted[0]["id"], "customer": posted[0]["customer"],
                     "fraud": True, "kind": "chargeback"}  # fmt: skip
            assert platform.store("Label", [label]).accepted
        behind = asked(platform, filling, clock.now())
        assert {n for n, states in behind.items() if states != {"late"}} <= {"walked"}
        filling.catch_up(features)
        touched = [(row["customer"], row["merchant"]) for row in posted]
        current = asked(platform, filling, clock.now(), touched)
        assert {n for n, states in current.items() if states != {"fresh"}} == {"fading"}
        clock.set(clock.now() + made.randrange(100 * minute))
        asked(platform, filling, clock.now())


def test_time_makes_late_what_it_may_change_and_nothing_else(platform, filling, clock) -> None:
    filling.backfill(platform.features(NAMES))
    row = payment(random.Random(1), 1, NOW) | {"event_time": format_instant(NOW - 10 * minute),
                                              "customer": "a"}  # fmt: skip
    platform.store("Payment", [row])
    filling.catch_up(platform.features(NAMES))
    chosen = platform.features(["online.count_1h", "online.first"])

    def state(now: int) -> list[str]:
        return [r.state for r in filling._store.read({"Customer": "a"}, chosen, now).values()]

    assert state(NOW + 50 * minute - 1) == ["fresh", "fresh"]
    assert state(NOW + 50 * minute) == ["late", "fresh"]
    # A clock that was set back: the value is of the future.
    assert state(NOW - 1) == ["late", "late"]


def test_only_touched_keys_are_written_again(platform, filling) -> None:
    made = random.Random(2)
    features = platform.features(["online.count_1h", "online.spent"])
    platform.store(
        "Payment", [payment(made, n, NOW) | {"customer": "abc"[n % 3]} for n in range(9)]
    )
    assert filling.backfill(features).keys == 3
    assert filling.catch_up(features).features == 0
    platform.store("Payment", [payment(made, 20, NOW) | {"customer": "b"}])
    assert filling.catch_up(features).keys == 1
    # A correction that moves a row touches both keys.
    platform.store("Payment", [payment(made, 20, NOW) | {"customer": "c"}])
    assert filling.catch_up(features).keys == 2


def test_what_was_never_filled_is_missing(platform, filling) -> None:
    (feature,) = platform.features(["online.last_country"])
    found = filling._store.read({"Customer": "a"}, [feature], NOW)["last_country"]
    assert (found.value, found.at, found.state) == ("none", None, "missing")
    assert filling.catch_up([feature]).features == 0


def test_a_changed_definition_starts_with_nothing(platform, filling) -> None:
    (feature,) = platform.features(["online.count_1h"])
    filling.backfill([feature])
    changed = App(
        name="other", title="Other", on=Payment, purpose="fraud", decide=APP.decide,
        features={"count_1h": count(Payment.id, by=BY, over=2 * hour)},
    ).features["count_1h"]  # fmt: skip
    states = [filling._store.read({"Customer": "a"}, [f], NOW)["count_1h"].state
              for f in (feature, changed)]  # fmt: skip
    assert states == ["fresh", "missing"]


def test_marks_survive_and_an_unfinished_filling_is_done_again(platform, filling, clock) -> None:
    features = platform.features(["online.count_1h"])
    filling.backfill(features)
    platform.store("Payment", [payment(random.Random(3), 1, NOW) | {"customer": "a"}])
    store = filling._store
    real, store.mark = store.mark, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        filling.catch_up(features)
    store.mark = real
    again = OnlineStore(store._rows, platform.catalog.loads.newest)
    assert again.read({"Customer": "a"}, features, NOW)["count_1h"].state == "late"
    other = Filling(
        again, platform.reads, platform.catalog.loads, platform.keys, clock, platform.loading.paused
    )
    assert other.catch_up(features).keys == 1
    assert again.read({"Customer": "a"}, features, NOW)["count_1h"].state == "fresh"


def test_an_erased_person_is_not_kept(platform, filling) -> None:
    features = platform.features(["online.count_1h"])
    platform.store("Customer", [{"id": "a", "event_time": "2026-01-01T00:00:00Z", "name": "Ana"}])
    platform.store(
        "Payment", [payment(random.Random(4), n, NOW) | {"customer": "a"} for n in (1, 2)]
    )
    filling.backfill(features)
    platform.keys.destroy("Customer:a")
    assert filling.backfill(features).keys == 0


def test_the_platform_answers_what_is_kept_and_computes_what_is_not(platform, clock) -> None:
    made = random.Random(5)
    features = platform.features(["online.count_1h", "online.last_country", "online.fading"])
    ask = {"keys": {"Customer": "a"}, "features": features, "role": "risk", "purpose": "fraud"}
    platform.store("Payment", [payment(made, 1, NOW) | {"customer": "a", "country": "ES",
                               "event_time": format_instant(NOW - minute)}])  # fmt: skip

    def states(**more: Any) -> list[str]:
        return [r.state for r in platform.online(**ask, **more).readings.values()]

    assert states() == ["computed"] * 3
    assert not (platform.path / "rows").exists()
    platform.served.backfill(features)
    assert states() == ["fresh", "fresh", "computed"]
    assert platform.online(**ask)["last_country"] == "ES"
    platform.store("Payment", [payment(made, 2, NOW) | {"customer": "a", "country": "FR",
                               "event_time": format_instant(NOW)}])  # fmt: skip
    late = platform.online(**ask, exact=False)
    assert states(exact=False) == ["late"] * 3
    assert (late["count_1h"], late["last_country"]) == (1, "ES")
    assert platform.online(**ask)["count_1h"] == 2
    assert platform.served.catch_up().keys == 1
    assert states()[:2] == ["fresh", "fresh"]
    # When its time has run out, a value is computed and kept again.
    clock.set(NOW + 2 * hour)
    assert states(exact=False)[:2] == ["late", "fresh"]
    assert platform.online(**ask)["count_1h"] == 0
    assert states(exact=False)[:2] == ["fresh", "fresh"]


def test_a_basis_that_ends_is_never_answered_from_what_is_kept(platform) -> None:
    (feature,) = platform.features(["online.count_1h"])
    platform.served.backfill([feature])
    ask = {"role": "marketer", "purpose": "marketing", "exact": False}
    found = platform.online({"Customer": "a"}, [feature], **ask)
    assert found.readings["count_1h"].state == "computed"


def test_erasing_a_person_lets_go_of_their_rows(platform) -> None:
    platform.store("Customer", [{"id": "a", "event_time": "2026-01-01T00:00:00Z", "name": "Ana"}])
    platform.store(
        "Payment", [payment(random.Random(4), n, NOW) | {"customer": "a"} for n in (1, 2)]
    )
    features = platform.features(["online.count_1h", "online.pair"])
    platform.served.backfill(features)
    rows = platform._stores.rows
    assert {row for t in rows.tables() for row, _ in rows.scan(t)} > {b"a"}
    platform.erasing.erase(["Customer:a"], "asked to", who="officer", role="admin")
    left = {row for t in rows.tables() for row, _ in rows.scan(t)}
    assert left == {b"marks", NOBODY}
    platform.served.catch_up()
    platform.served.backfill(features)
    assert {row for t in rows.tables() for row, _ in rows.scan(t)} == left
