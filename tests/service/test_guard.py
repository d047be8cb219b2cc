# SPDX-License-Identifier: Apache-2.0
"""Every way to rows about persons asks for a purpose, keeps to its basis, and is recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from heptad.runtime import Platform
from heptad.service.app import App, Outcome, Reason
from heptad.service.features import count
from heptad.standards import day, hour
from heptad.standards.errors import Busy, ContractError, InputError, Refused
from heptad.standards.model import Merchant, Payment
from heptad.standards.time import FixedClock, parse_instant
from heptad.testing.conformance import its_purpose_covers_what_it_reads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = parse_instant("2026-06-01T12:00:00Z")


def offer(_: Any) -> Outcome:
    """Offer something to whomever is asked about."""
    return Outcome("offer", [Reason("CARD", {})])


OFFERS = App(
    name="offers",
    title="Offers",
    on=Payment,
    purpose="marketing",
    features={
        "mine": count(Payment.id, by=Payment.customer, over=90 * day),
        "all_here": count(Payment.id, by=Payment.merchant, over=90 * day),
    },
    decide=offer,
)


def payment(number: int, who: str) -> dict[str, Any]:
    """Return a payment at the one merchant there is."""
    return {"id": f"p{number}", "event_time": f"2026-05-0{number}T10:00:00Z", "customer": who,
            "merchant": "m1", "amount": "10.00", "currency": "EUR",
            "status": "authorised"}  # fmt: skip


def consent(who: str, status: str, at: str, **more: Any) -> dict[str, Any]:
    """Return a consent to marketing with all groups."""
    return {"id": f"n-{who}", "event_time": at, "customer": who, "purpose": "marketing",
            "scope": "all", "mode": "direct", "status": status} | more  # fmt: skip


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """Three customers with two payments each; c1 and c2 have agreed to marketing."""
    (tmp_path / "heptad.toml").write_text('[project]\nname = "guard"\n', encoding="utf-8")
    with Platform.open(tmp_path, clock=FixedClock(NOW), apps=[OFFERS]) as opened:
        people = [{"id": f"c{n}", "event_time": "2026-01-01", "name": f"Ana {n}",
                   "email": f"ana{n}@example.com"} for n in (1, 2, 3)]  # fmt: skip
        opened.store("Customer", [p | {"event_time": "2026-01-01T00:00:00Z"} for p in people])
        opened.store("Payment", [payment(n, f"c{(n + 1) // 2}") for n in range(1, 7)])
        opened.store(
            "Consent", [consent(c, "active", "2026-02-01T00:00:00Z") for c in ("c1", "c2")]
        )
        yield opened


def withdraw(platform: Platform, who: str, at: str = "2026-06-01T11:59:00Z", **more: Any) -> None:
    """Let a customer withdraw the consent to marketing."""
    report = platform.store("Consent", [consent(who, "withdrawn", at, **more)])
    assert report.accepted, report


def emails(platform: Platform, **more: Any) -> list[str]:
    """Read the addresses that a marketer may use."""
    rows = platform.read("Customer", role="marketer", purpose="marketing", **more)
    return rows.column("email").to_pylist()


def payers(platform: Platform, role: str, purpose: str) -> list[str]:
    """Read whose payments are seen."""
    rows = platform.read("Payment", role=role, purpose=purpose)
    return sorted(set(rows.column("customer").to_pylist()))


def last(platform: Platform) -> Any:
    """Return the last entry of the access log."""
    return platform.access.entries(limit=1)[0]


def test_only_who_agreed_is_read_and_a_withdrawal_stops_the_next_read(platform) -> None:
    assert emails(platform) == ["ana1@example.com", "ana2@example.com"]
    withdraw(platform, "c1")
    assert emails(platform) == ["ana2@example.com"]
    # Also of the past: what counts is what is known now.
    before = parse_instant("2026-05-31T00:00:00Z")
    assert emails(platform, t=before) == ["ana2@example.com"]
    assert emails(platform, version=1) == ["ana2@example.com"]
    # Fraud is watched on a basis that nobody can end.
    assert payers(platform, "risk", "fraud") == ["c1", "c2", "c3"]
    record = last(platform).record
    assert record.grounds == {"Payment": "legal obligation"}


def test_a_clock_that_steps_back_revives_no_consent(platform) -> None:
    withdraw(platform, "c1")
    platform.clock.set(NOW - 5 * hour)
    assert emails(platform) == ["ana2@example.com"]
    platform.clock.set(NOW + hour)
    withdraw(platform, "c2", at="2026-06-01T12:30:00Z")
    platform.clock.set(NOW - 90 * day)
    assert emails(platform) == []


def test_a_consent_ends_at_its_last_instant_and_begins_at_its_first(platform) -> None:
    until = "2026-06-01T12:30:00Z"
    platform.store("Consent", [
        consent("c1", "active", "2026-06-01T11:00:00Z", until=until),
        consent("c3", "active", "2026-06-01T13:00:00Z"),
    ])  # fmt: skip
    assert emails(platform) == ["ana1@example.com", "ana2@example.com"]
    platform.clock.set(parse_instant(until))
    for _ in range(2):
        assert emails(platform) == ["ana1@example.com", "ana2@example.com"]
        platform.guard.standings.forget()
    platform.clock.set(parse_instant(until) + 1)
    assert emails(platform) == ["ana2@example.com"]
    platform.clock.set(parse_instant("2026-06-01T13:00:00Z"))
    assert emails(platform) == ["ana2@example.com", "ana3@example.com"]


def test_a_consent_covers_its_own_group_and_purpose_only(platform) -> None:
    withdraw(platform, "c1")
    platform.store("Consent", [
        consent("c1", "active", "2026-06-01T11:00:00Z", id="x", scope="behaviour"),
        consent("c3", "active", "2026-06-01T11:00:00Z", id="y", purpose="sharing"),
    ])  # fmt: skip
    assert payers(platform, "app", "marketing") == ["c1", "c2"]
    assert payers(platform, "app", "sharing") == ["c3"]
    assert emails(platform) == ["ana2@example.com"]


def test_who_objects_is_studied_no_more(platform) -> None:
    assert payers(platform, "analyst", "analytics") == ["c1", "c2", "c3"]
    objection = consent("c2", "withdrawn", "2026-06-01T11:00:00Z", id="o", purpose="analytics")
    platform.store("Consent", [objection])
    assert payers(platform, "analyst", "analytics") == ["c1", "c3"]
    assert last(platform).record.grounds == {"Payment": "legitimate interests"}


def test_a_row_that_was_another_persons_once_needs_both(platform) -> None:
    platform.store("Payment", [payment(5, "c1")])  # Was c3's, who has not agreed.
    assert "p5" not in platform.read("Payment", role="app", purpose="marketing")["id"].to_pylist()
    platform.store("Payment", [payment(1, "c2")])  # Was c1's, who has agreed.
    seen = platform.read("Payment", role="app", purpose="marketing").to_pylist()
    assert {r["id"]: r["customer"] for r in seen} == {
        "p1": "c2",
        "p2": "c1",
        "p3": "c2",
        "p4": "c2",
    }


def test_a_purpose_does_not_cover_every_table(platform) -> None:
    with pytest.raises(Refused, match="Contact may not be read for the purpose 'credit'") as found:
        platform.read("Contact", role="officer", purpose="credit")
    assert "covers" in found.value.do
    platform.read("Merchant", role="officer", purpose="credit")
    assert last(platform).record.grounds == {"Merchant": ""}


def test_the_kit_tells_an_application_whose_purpose_does_not_cover_its_tables() -> None:
    its_purpose_covers_what_it_reads(OFFERS)
    with pytest.raises(Refused, match="Payment may not be read for the purpose 'reporting'"):
        its_purpose_covers_what_it_reads(replace(OFFERS, purpose="reporting"))
    with pytest.raises(Refused, match="may not act"):
        its_purpose_covers_what_it_reads(replace(OFFERS, purpose="audit"))


def test_refused_reads_are_recorded_with_their_reason(platform) -> None:
    with pytest.raises(Refused):
        platform.read("Customer", role="marketer", purpose="fraud", who="key-9")
    entry = last(platform)
    assert (entry.record.result, entry.record.who, entry.record.rows) == ("refused", "key-9", 0)
    assert "may not act" in entry.detail["refused"]
    assert entry.detail["table"] == "Customer"


def test_a_read_without_a_purpose_opens_nothing_and_is_recorded(platform) -> None:
    rows = platform.read("Customer", purpose="", role="marketer")
    assert rows.column("email").to_pylist() == ["•••"] * 3
    assert last(platform).record.result == "masked"


def spine(*people: str) -> pa.Table:
    """Ask about people now."""
    return pa.table({"Customer": list(people), "event_time": [NOW] * len(people)})


def test_features_count_only_rows_that_may_be_read(platform) -> None:
    features = platform.features(["offers.mine"])
    ask = {"role": "app", "purpose": "marketing"}
    found = platform.history(spine("c1", "c3"), features, **ask)
    assert found.column("mine").to_pylist() == [2, 0]
    assert sorted(last(platform).detail["about"]) == ["Customer:c1", "Customer:c3"]
    assert last(platform).record.columns == {"features": ["mine"]}
    here = platform.history(
        pa.table({"Merchant": ["m1"], "event_time": [NOW]}), platform.features(["offers.all_here"]),
        **ask,
    )  # fmt: skip
    assert here.column("all_here").to_pylist() == [4]
    assert platform.online({"Customer": "c1"}, features, **ask) == {"mine": 2}
    assert last(platform).record.action == "online"
    withdraw(platform, "c1")
    assert platform.online({"Customer": "c1"}, features, **ask) == {"mine": 0}
    assert platform.online({"Customer": "c1"}, features) == {"mine": 2}
    assert last(platform).record.purpose == "service"


def test_features_are_read_for_a_purpose_only(platform) -> None:
    features = platform.features(["offers.mine"])
    for ask in ({"purpose": ""}, {"purpose": "marketing"}, {"role": "auditor"}):
        with pytest.raises(Refused):
            platform.history(spine("c1"), features, **ask)
        with pytest.raises(Refused):
            platform.online({"Customer": "c1"}, features, **ask)
    assert {e.record.result for e in platform.access.entries()} == {"refused"}


def test_an_application_decides_about_who_agreed_and_replays_after_they_left(platform) -> None:
    made = platform.decide("offers")
    assert sorted({o.subject for o in made}) == ["Customer:c1", "Customer:c2"]
    assert made[-1].decision.features == {"mine": 2, "all_here": 4}
    assert made[0].decision.basis == "consent"
    withdraw(platform, "c1")
    platform.clock.set(NOW + day)
    assert platform.decide("offers", keys=["p1"]) == []
    report = platform.replay()
    assert report.identical, report.findings
    assert report.derived == {"identical": 4}
    assert last(platform).record.purpose == "audit"


def test_decisions_about_who_left_are_read_for_reviews_only(platform) -> None:
    made = platform.decide("offers")
    name = next(o.public["id"] for o in made if o.subject == "Customer:c1")
    ask = {"role": "marketer", "purpose": "marketing"}
    assert platform.explain(name, **ask)["subject"] == "Customer:c1"
    withdraw(platform, "c1")
    with pytest.raises(Refused, match="no longer"):
        platform.explain(name, **ask)
    refused = last(platform)
    assert (refused.record.action, refused.record.result) == ("explain", "refused")
    assert refused.detail["about"] == ["Customer:c1"]
    assert platform.explain(name)["subject"] == "Customer:c1"
    assert last(platform).record.purpose == "audit"
    with platform.reviewing("decisions", "marketing", **ask) as access:
        seen = access.reviewed(platform.apps, made)
    assert {o.subject for o in seen} == {"Customer:c2"}
    assert platform.replay([name], role="app", purpose="marketing").decided == {}


def test_decisions_are_read_for_their_own_purpose_or_a_review(platform) -> None:
    name = platform.decide("fraud", keys=["p1"])[0].public["id"]
    assert platform.explain(name, role="risk")["subject"] == "Customer:c1"
    assert last(platform).record.purpose == "fraud"
    assert platform.replay([name], role="risk").identical
    for ask in (
        {"role": "officer"}, {"role": "marketer"}, {"purpose": "service"}, {"purpose": ""},
        {"role": "risk", "purpose": "credit"}, {"role": "app", "purpose": "audit"},
    ):  # fmt: skip
        with pytest.raises(Refused):
            platform.explain(name, **ask)
        assert last(platform).record.result == "refused"
        with pytest.raises(Refused):
            platform.replay([name], **ask)
        assert last(platform).record.result == "refused"


def test_training_reads_for_the_applications_purpose(platform) -> None:
    with pytest.raises(Refused):
        platform.training_set("credit", until=NOW, known=NOW, role="marketer")
    assert last(platform).record.result == "refused"
    with pytest.raises(Refused):
        platform.train("credit", purpose="marketing")
    with pytest.raises(ContractError):
        platform.train("credit", trainer="eva")  # There is nothing to learn from.


def test_who_read_what_is_shown_for_a_review_and_that_is_recorded(platform) -> None:
    platform.read("Customer")
    platform.read("Payment", role="risk", purpose="fraud")
    for ask in ({"purpose": "service"}, {"role": "officer"}, {"role": "risk", "purpose": "fraud"}):
        with pytest.raises(Refused):
            platform.accesses(**ask)
    found = platform.accesses(subject="Customer:c1")
    assert [e.record.action for e in found] == ["read", "read"]
    assert (last(platform).record.action, last(platform).record.purpose) == ("access", "audit")
    assert platform.accesses(subject="Customer:c9") == []


READS: dict[str, Callable[[Platform, str], object]] = {
    "read": lambda p, _: p.read("Customer"),
    "masked": lambda p, _: p.read("Customer", purpose=""),
    "history": lambda p, _: p.history(spine("c1"), p.features(["fraud.count_1h"])),
    "online": lambda p, _: p.online({"Customer": "c1"}, p.features(["fraud.count_1h"])),
    "explain": lambda p, name: p.explain(name),
    "replay": lambda p, name: p.replay([name]),
    "explore": lambda p, _: p.explore("SELECT count(*) FROM Customer"),
    "access": lambda p, _: p.accesses(),
}


def test_a_read_that_cannot_be_recorded_is_not_answered(platform, monkeypatch) -> None:
    """The disk under the access log is full; with space again, reads go on without a restart."""
    name = platform.decide("fraud", keys=["p1"])[0].public["id"]
    for read in READS.values():
        before = len(platform.access)
        with monkeypatch.context() as full:
            full.setattr("os.fdatasync", _full)
            with pytest.raises(Busy, match="nothing is answered"):
                read(platform, name)
        read(platform, name)
        assert len(platform.access) > before
    assert platform.access.verify().entries == len(platform.access)


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


LONG = " CROSS JOIN ".join(f"Customer a{n}" for n in range(24))


@pytest.mark.parametrize(("sql", "raised"), [
    ("SELECT cast(name AS INT) FROM Customer WHERE id = 'c1'", InputError),
    ("SELECT cast(email AS DATE) FROM Customer WHERE id = 'c1'", InputError),
    (f"SELECT count(*) FROM {LONG} WHERE a0.name LIKE 'Ana%'", Busy),
])  # fmt: skip
def test_a_question_that_fails_quotes_no_value_and_is_recorded(platform, sql, raised) -> None:
    """Whether it fails may be the very answer that was wanted."""
    with pytest.raises(raised) as told:
        platform.explore(sql, role="admin", purpose="service")
    assert "ana" not in str(told.value).lower()
    entry = last(platform)
    assert (entry.record.action, entry.record.result) == ("explore", "opened")
    assert entry.detail["failed"] == raised.__name__
    assert entry.record.columns.keys() == {"Customer"}
    assert entry.record.people == 3
    assert [e.place for e in platform.accesses(subject="Customer:c1")] == [entry.place]


def test_a_question_that_names_no_column_says_what_is_wrong(platform) -> None:
    with pytest.raises(InputError, match="nonesuch"):
        platform.explore("SELECT nonesuch FROM Customer", role="admin", purpose="service")


def test_a_table_about_nobody_needs_no_basis(platform) -> None:
    platform.store("Merchant", [{"id": "m1", "event_time": "2026-01-01T00:00:00Z", "name": "Shop"}])
    rows = platform.read(Merchant.__name__, role="marketer", purpose="marketing")
    assert rows.column("name").to_pylist() == ["Shop"]
