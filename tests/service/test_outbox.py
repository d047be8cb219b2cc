# SPDX-License-Identifier: Apache-2.0
"""The outbox: each message once, or its reason; whoever dies, revokes, stops or sleeps."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.service.letters import Letter, Text, written
from heptad.service.outbox.addresses import Addresses
from heptad.service.outbox.carriers import Answer, Inbox, Smtp, is_signed, signature
from heptad.service.outbox.limits import Bucket, awake, zones_of
from heptad.service.outbox.messages import Wanted, message_id
from heptad.service.outbox.records import MessagesHolder
from heptad.service.outbox.sending import Outbox
from heptad.sources.config import parse_project
from heptad.sources.work import Cap, Provider
from heptad.sources.work import Outbox as Settings
from heptad.standards.errors import ContractError, InputError, UnknownName
from heptad.standards.model import Consent, Customer
from heptad.standards.time import day, from_micros, hour, minute, parse_instant, second
from heptad.testing.scratch import project
from tests.terminal.rows import consent, customer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

NOON = parse_instant("2026-03-02T12:00:00Z")


class Receiver:
    """A provider that keeps what it was given; it can fail, and it can lose its answer."""

    at_once = 3

    def __init__(self, deduplicates: bool = True) -> None:
        self.deduplicates = deduplicates
        self.got: list[str] = []
        self.known: set[str] = set()
        self.people: list[str] = []
        self.parcels: list[Any] = []
        self.answers: list[Answer] = []
        self.dies_after = -1

    def carry(self, parcels: Any) -> Iterator[Answer]:
        for parcel in parcels:
            if self.dies_after == len(self.got):
                self.dies_after = -1
                raise KeyboardInterrupt
            answer = self.answers.pop(0) if self.answers else Answer("sent")
            if answer.status in ("sent", "uncertain") and not (
                self.deduplicates and parcel.id in self.known
            ):
                self.got.append(parcel.id)
                self.known.add(parcel.id)
                self.people.append(parcel.subject)
                self.parcels.append(parcel)
            yield answer


class Bank:
    """three customers in Italy who can be reached, the first of whom wants offers."""

    def __init__(self, platform: Platform, receiver: Receiver, **more: Any) -> None:
        self.platform, self.receiver = platform, receiver
        self.platform.clock.set(NOON)  # type: ignore[attr-defined]
        self.settings = Settings(**{"caps": (), "zone": "Europe/Madrid"} | more)
        self.providers = [Provider("mail", "email", "smtp"), Provider("app", "inbox", "inbox")]
        self.open()

    def open(self) -> Outbox:
        """Open the outbox, as the next process would."""
        p = self.platform
        p.catalog.store.epoch += "+"
        carriers = {"mail": self.receiver, "app": Inbox(p.catalog.store, p.keys)}
        self.outbox = Outbox(
            self.settings, self.providers, carriers, catalog=p.catalog, keys=p.keys, guard=p.guard,
            addresses=None, tick=p.clock.now, draw=lambda: 0.5,
        )  # fmt: skip
        self.outbox._addresses = Addresses(p.reads, p.guard, p.keys, self.outbox.records)
        return self.outbox

    def want(self, who: str, key: str = "", purpose: str = "service", **more: Any) -> str:
        wanted = Wanted(
            key=key or f"{who}|{purpose}|{self.n}", app="fraud", subject=f"Customer:{who}",
            channels=("email",), purpose=purpose, text=Text("Title", "Some text."),
        )  # fmt: skip
        self.n += 1
        from dataclasses import replace

        return self.outbox.plan([replace(wanted, **more)])[0]

    n = 0

    def status(self, name: str) -> tuple[str, str]:
        found = self.outbox.get(name)
        return found.status, found.reason

    def at(self, instant: int) -> dict[str, int]:
        self.platform.clock.set(instant)  # type: ignore[attr-defined]
        return self.outbox.send()


@pytest.fixture(scope="module")
def opened() -> Iterator[Platform]:
    rows = {
        Customer: [customer(n) | {"country": "IT"} for n in (1, 2, 3)],
        Consent: [consent(1, purpose="marketing")],
    }
    with project(rows) as platform:
        yield platform


@pytest.fixture
def bank(opened: Platform) -> Bank:
    from sqlalchemy import delete

    from heptad.catalog.outboxtables import (
        EndpointRow,
        MessageRow,
        NoticeRow,
        ReceiptRow,
        SuppressionRow,
    )

    with opened.catalog.store.write() as connection:
        for row in (MessageRow, NoticeRow, ReceiptRow, SuppressionRow, EndpointRow):
            connection.execute(delete(row))
    opened.catalog.settings.set("outbox.stops", {})
    return Bank(opened, Receiver())


def test_a_message_goes_once_however_often_it_is_planned_and_sent(bank) -> None:
    names = {bank.want("c1", key="same") for _ in range(3)}
    assert names == {message_id("same")}
    assert bank.outbox.send()["sent"] == 1
    assert bank.outbox.send() == {}
    assert bank.want("c1", key="same") in names
    assert bank.outbox.send() == {}
    (parcel,) = bank.receiver.parcels
    assert (parcel.to, parcel.text) == ("ana1@example.com", Text("Title", "Some text."))


def test_what_it_says_is_sealed_and_the_address_is_not_kept(bank) -> None:
    bank.want("c1")
    bank.outbox.send()
    raw = b"".join(p.read_bytes() for p in bank.platform.path.glob("catalog.sqlite*"))
    assert b"Some text" not in raw
    assert b"ana1@example.com" not in raw


class TestReasons:
    def test_without_consent_it_has_a_reason(self, bank):
        assert bank.status(bank.want("c2", purpose="marketing")) == ("skipped", "NO_CONSENT")
        name = bank.want("c1", purpose="marketing")
        bank.outbox.send()
        assert bank.status(name)[0] == "sent"

    def test_a_consent_revoked_between_plan_and_send_stops_it(self):
        rows = {Customer: [customer(1)], Consent: [consent(1, purpose="marketing")]}
        with project(rows) as platform:
            bank = Bank(platform, Receiver())
            name = bank.want("c1", purpose="marketing")
            assert bank.status(name)[0] == "waiting"
            platform.clock.set(NOON + minute)
            withdrawn = consent(1, purpose="marketing", status="withdrawn",
                                event_time="2026-03-02T12:00:30Z")  # fmt: skip
            platform.store("Consent", [withdrawn])
            bank.outbox.send()
            assert bank.status(name) == ("skipped", "NO_CONSENT")
            # A clock that steps back revives nothing.
            again = bank.want("c1", purpose="marketing")
            bank.at(NOON - hour)
            assert bank.status(again) == ("skipped", "NO_CONSENT")
            assert bank.receiver.got == []

    def test_nobody_is_written_to_for_a_purpose_that_does_not_cover_it(self, bank):
        with pytest.raises(ContractError, match="purpose 'fraud'"):
            bank.want("c1", purpose="fraud")

    def test_no_address_no_provider_expired_erased(self, bank):
        unknown, old = bank.want("c9"), bank.want("c1", lasts=1)
        nobody = bank.want("c1", channels=("sms",))
        bank.at(NOON + minute)
        assert bank.status(unknown) == ("skipped", "NO_ADDRESS")
        assert bank.status(old) == ("skipped", "EXPIRED")
        assert bank.status(nobody) == ("skipped", "NO_PROVIDER")

    def test_a_message_in_the_night_waits_for_the_morning_but_a_warning_does_not(self, bank):
        bank.platform.clock.set(parse_instant("2026-03-28T22:30:00Z"))
        calm, warning = bank.want("c1"), bank.want("c2", urgent=True)
        bank.outbox.send()
        # 23:30 in Rome; the clocks are put forward in this night, so 8 o'clock is 06:00 UTC.
        assert bank.status(calm) == ("waiting", "QUIET_HOURS")
        assert bank.status(warning)[0] == "sent"
        assert from_micros(bank.outbox.get(calm).next).isoformat() == "2026-03-29T06:00:00+00:00"
        bank.at(parse_instant("2026-03-29T05:59:00Z"))
        assert bank.status(calm)[0] == "waiting"
        bank.at(parse_instant("2026-03-29T06:00:00Z"))
        assert bank.status(calm)[0] == "sent"

    def test_caps_hold_over_all_applications(self, opened, bank):
        bank = Bank(opened, Receiver(), caps=(Cap("any", 3, day), Cap("marketing", 1, 7 * day)))
        first = [bank.want("c1", purpose="marketing", app=app) for app in ("fraud", "credit")]
        bank.outbox.send()
        assert Counter(bank.status(n)[1] for n in first) == {"": 1, "CAP": 1}
        more = [bank.want("c1", app=app) for app in ("fraud", "credit", "other")]
        bank.outbox.send()
        assert Counter(bank.status(n)[1] for n in more) == {"": 2, "CAP": 1}
        bank.platform.clock.set(NOON + 2 * day)
        late = bank.want("c1")
        bank.outbox.send()
        assert bank.status(late)[0] == "sent"

    def test_the_kill_switch_holds_messages_until_it_is_let_go(self, bank):
        for scope in ("all", "app:fraud", "provider:mail", "purpose:service"):
            name = bank.want("c1")
            bank.outbox.stop(scope, "ann", "a test")
            assert "sent" not in bank.outbox.send()
            assert bank.open().send().get("sent", 0) == 0
            assert bank.status(name)[0] == "waiting"
            bank.outbox.go_on(scope)
            bank.outbox.send()
            assert bank.status(name)[0] == "sent"


class TestAnswers:
    def test_again_backs_off_and_ends_as_a_dead_letter(self, opened, bank):
        bank = Bank(opened, Receiver(), attempts=3, backoff=minute)
        bank.receiver.answers = [Answer("again", "450")] * 3
        name, at, waits = bank.want("c1"), NOON, []
        for _ in range(3):
            bank.at(at)
            assert bank.outbox.send() == {}
            waits.append(bank.outbox.get(name).next - at)
            at = bank.outbox.get(name).next
        assert bank.status(name) == ("dead", "ATTEMPTS 450")
        assert waits[:2] == [minute * 3 // 4, minute * 3 // 2]

    def test_an_address_that_is_gone_is_not_written_to_again(self, bank):
        bank.receiver.answers = [Answer("gone", "550")]
        first, second_ = bank.want("c1"), bank.want("c1")
        bank.outbox.send()
        assert "dead" in {bank.status(first)[0], bank.status(second_)[0]}
        third = bank.want("c1")
        bank.outbox.send()
        assert bank.status(third) == ("skipped", "ADDRESS_GONE")

    def test_uncertain_is_counted_never_sent_again_and_resolved_by_a_person(self, bank):
        bank.receiver.deduplicates = False
        bank.receiver.answers = [Answer("uncertain", "broke off")]
        name = bank.want("c1")
        assert bank.outbox.send() == {"handed over": 1, "uncertain": 1}
        assert bank.outbox.send() == {}
        assert [r["event"] for r in bank.outbox.records.receipts(name)] == ["uncertain"]
        bank.outbox.resolve(name, arrived=False, who="ann")
        bank.outbox.send()
        assert bank.status(name)[0] == "sent"
        with pytest.raises(UnknownName):
            bank.outbox.resolve(name, arrived=True, who="ann")


@pytest.mark.parametrize("deduplicates", [True, False])
@settings(max_examples=12)
@given(kills=st.lists(st.integers(0, 9), max_size=4))
def test_whoever_is_killed_nothing_is_lost_or_sent_twice(opened, deduplicates, kills) -> None:
    receiver = Receiver(deduplicates)
    bank = Bank(opened, receiver)
    Bank.n += 1000
    names = [bank.want(f"c{n % 3 + 1}") for n in range(10)]
    before = len(receiver.got)
    for kill in kills:
        receiver.dies_after = before + kill
        if kill >= len(receiver.got) - before:
            try:
                bank.outbox.send()
            except KeyboardInterrupt:
                bank.open()
    bank.outbox.send()
    assert Counter(receiver.got).most_common(1)[0][1] == 1
    states = {name: bank.status(name)[0] for name in names}
    assert set(states.values()) <= {"sent", "uncertain"}
    assert {n for n, s in states.items() if s == "sent"} <= set(receiver.got)
    if deduplicates:
        assert set(states.values()) == {"sent"}
    uncertain = [n for n, s in states.items() if s == "uncertain"]
    assert len(uncertain) <= receiver.at_once * len(kills)
    assert sorted(set(names) - set(receiver.got)) == sorted(set(uncertain) - set(receiver.got))


class TestPeople:
    def test_unsubscribing_with_one_click_ends_a_purpose_only(self, opened, bank):
        bank = Bank(opened, Receiver(), address="https://bank.example")
        bank.want("c1", purpose="marketing")
        bank.outbox.send()
        link = bank.receiver.parcels[-1].unsubscribe
        assert link.startswith("https://bank.example/v1/unsubscribe/m")
        token = link.rpartition("/")[2]
        assert bank.outbox.records.unsubscribe(token) == "marketing"
        assert bank.status(bank.want("c1", purpose="marketing")) == ("skipped", "UNSUBSCRIBED")
        service = bank.want("c1")
        bank.outbox.send()
        assert bank.status(service)[0] == "sent"
        with pytest.raises(UnknownName):
            bank.outbox.records.unsubscribe(token[:-1] + ("0" if token[-1] != "0" else "1"))
        assert bank.outbox.records.allow("Customer:c1", "marketing") == 1
        assert bank.status(bank.want("c1", purpose="marketing"))[0] == "waiting"

    def test_receipts_bounces_and_replies(self, bank):
        names = [bank.want(f"c{n}") for n in (1, 2, 3)]
        bank.outbox.send()
        records = bank.outbox.records
        for _ in range(2):
            records.receipt("mail", {"id": names[0], "event": "delivered", "at": NOON})
        assert [r["event"] for r in records.receipts(names[0])] == ["delivered"]
        records.receipt("mail", {"id": names[1], "event": "bounced", "permanent": True})
        records.receipt("mail", {"id": names[2], "event": "replied", "text": " Stop "})
        assert [bank.status(n)[0] for n in names] == ["delivered", "bounced", "delivered"]
        later = [bank.want(f"c{n}") for n in (1, 2, 3)]
        bank.outbox.send()
        assert [bank.status(n)[1] for n in later] == ["", "BOUNCED", "UNSUBSCRIBED"]
        for said in ({"id": "m0", "event": "delivered"}, {"event": "opened"}):
            with pytest.raises(UnknownName):
                records.receipt("mail", said)
        with pytest.raises(InputError):
            records.receipt("mail", {"id": names[0], "event": "eaten"})

    def test_the_inbox_takes_a_message_once(self, bank):
        name = bank.want("c1", channels=("inbox",))
        bank.outbox.send()
        (notice,) = bank.outbox.records.notices("Customer:c1")
        assert (notice.message, notice.seen) == (name, None)
        assert bank.outbox.text(bank.outbox.get(name)) == Text("Title", "Some text.")
        assert bank.outbox.records.seen("Customer:c1", notice.id)
        assert not bank.outbox.records.seen("Customer:c2", notice.id)

    def test_an_erased_person_is_not_written_to(self):
        with project({Customer: [customer(1), customer(2)]}) as platform:
            bank = Bank(platform, Receiver())
            waiting = bank.want("c1")
            holder = MessagesHolder(platform.catalog.store)
            person = platform.erasing.person("c1")
            bank.outbox.records.register("Customer:c1", "push", "token-17")
            found = {h.what: h.n for h in holder.held(person)}
            assert found == {"messages": 1, "what messages say": 1, "devices": 1}
            assert holder.erase([person]) == 2
            platform.erasing.erase(["c1"], "asked for", who="ann", role="admin")
            bank.outbox.send()
            assert bank.status(waiting) == ("cancelled", "ERASED")
            assert bank.status(bank.want("c1")) == ("skipped", "ERASED")
            assert bank.receiver.got == []
            assert bank.outbox.records.devices(["Customer:c1"], "push") == {}


class TestNights:
    @given(
        at=st.integers(0, 2 * 365 * 24 * 60),
        names=st.lists(
            st.sampled_from(["Europe/Madrid", "America/New_York", "America/Los_Angeles",
                             "Asia/Shanghai", "Pacific/Chatham"]), min_size=1, max_size=3),
        quiet=st.sampled_from([("21:00", "08:00"), ("22:30", "07:15"), ("12:00", "14:00")]),
    )  # fmt: skip
    def test_the_morning_is_the_first_minute_that_is_quiet_nowhere(self, at, names, quiet):
        begin = parse_instant("2026-01-01") + at * minute
        found = awake(begin, names, quiet)
        assert not any(_is_quiet(found, name, quiet) for name in names)
        assert (found == begin) == (not any(_is_quiet(begin, name, quiet) for name in names))
        before = found - minute
        if found > begin:
            assert any(_is_quiet(before, name, quiet) for name in names)

    def test_a_wide_country_sleeps_as_long_as_one_of_its_coasts(self):
        assert len(zones_of("US", "UTC")) > 10
        assert zones_of("CN", "UTC")[0] == "Asia/Shanghai"
        assert zones_of("", "Europe/Madrid") == ("Europe/Madrid",)
        assert awake(NOON, ["UTC"], ("", "")) == NOON


def _is_quiet(at: int, name: str, quiet: tuple[str, str]) -> bool:
    from zoneinfo import ZoneInfo

    clock = f"{from_micros(at).astimezone(ZoneInfo(name)):%H:%M}"
    if quiet[0] > quiet[1]:
        return clock >= quiet[0] or clock < quiet[1]
    return quiet[0] <= clock < quiet[1]


@given(st.lists(st.integers(-3600, 3600 * 80), max_size=20))
def test_a_bucket_gives_no_more_than_its_rate_whatever_the_clock_does(steps) -> None:
    now, rate, burst = NOON, 2.0, 5
    bucket, taken, forward = Bucket(rate, burst, now), 0, 0
    for step in steps:
        forward += max(step, 0)
        now += step * second
        bucket.fill(now)
        while bucket.left():
            bucket.take()
            taken += 1
    assert taken <= burst + rate * forward
    assert taken <= burst * (len(steps) + 1)


def test_a_rate_leaves_the_rest_for_later(opened, bank) -> None:
    bank.providers[0] = Provider("mail", "email", "smtp", rate=1.0, burst=2)
    bank.open()
    for _ in range(5):
        bank.want("c1")
    assert bank.outbox.send()["sent"] == 2
    assert bank.outbox.send() == {}
    assert bank.at(NOON + second)["sent"] == 1
    assert bank.at(NOON + hour)["sent"] == 2


def test_a_provider_with_much_to_send_keeps_no_other_waiting(bank) -> None:
    """Each has its own share of a pass, and their turns alternate."""
    order: list[str] = []
    inbox = bank.outbox.carriers["app"]

    class Noting:
        at_once, deduplicates = inbox.at_once, inbox.deduplicates

        def carry(self, parcels: Any) -> Iterator[Answer]:
            order.append("app")
            return inbox.carry(parcels)  # type: ignore[no-any-return]

    bank.outbox.carriers["app"] = Noting()
    mails = [bank.want("c1") for _ in range(12)]
    notice = bank.want("c2", channels=("inbox",))
    told = bank.outbox.send(6)
    assert bank.status(notice)[0] == "sent"
    assert told["handed over"] == 7
    assert sum(bank.status(m)[0] == "sent" for m in mails) == 6
    assert len(bank.receiver.got) == 6
    assert order == ["app"]
    assert bank.outbox.send(6)["sent"] == 6
    assert bank.outbox.send(6) == {}


def test_letters_have_no_holes() -> None:
    from heptad.apps.fraud import app

    letter = Letter("nothing", on=("hold",))
    with pytest.raises(ContractError, match="has no text"):
        written(app, letter, {})


def test_signatures() -> None:
    body = json.dumps({"event": "delivered"}).encode()
    made = signature("secret", body, 1000)
    assert is_signed("secret", body, made, 1100)
    assert not is_signed("secret", body, made, 2000)
    assert not is_signed("secret", body + b" ", made, 1100)
    assert not is_signed("other", body, made, 1100)
    assert not is_signed("", body, signature("", body, 1000), 1000)
    assert not is_signed("secret", body, "t=1000", 1000)
    assert not is_signed("secret", body, "nonsense", 1000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[provider]]\nname = "m"\nchannel = "email"\nkind = "smtp"', "url"),
        ('[[provider]]\nname = "m"\nchannel = "post"\nkind = "smtp"\nurl = "smtp://h"', "channel"),
        (
            '[[provider]]\nname="m"\nchannel="sms"\nkind="sms"\nurl="https://h"\nsecret="x"',
            "secret",
        ),
        ('[outbox]\nquiet = "late"', "Quiet hours"),
        ('[outbox]\ncaps = ["often"]', "so many in so long"),
        ('[outbox]\nzone = "Mars/Base"', "IANA"),
    ],
)
def test_mistakes_in_the_project_file(tmp_path, text, says) -> None:
    with pytest.raises(InputError) as refused:
        parse_project(text, tmp_path)
    assert says in str(refused.value.to_dict())


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("channel", ["inbox", "email"])
def test_a_hundred_thousand_messages_go_within_five_minutes(opened, bank, channel) -> None:
    """Planned, judged, sealed, handed over in this process and noted; the time is of both steps."""
    n, bank.receiver.at_once = 100_000, Smtp.at_once
    begun = time.monotonic()
    for start in range(0, n, 500):
        some = range(start, start + 500)
        bank.outbox.plan(
            [
                Wanted(f"{channel} {k}", "fraud", f"Customer:c{k % 3 + 1}", (channel,), "service",
                       Text("Title", "Some text."))
                for k in some
            ]
        )  # fmt: skip
    assert bank.outbox.send()["sent"] == n
    seconds = time.monotonic() - begun
    print(f"{n:,} messages by {channel}: {seconds:.0f} s")
    assert seconds < 300
