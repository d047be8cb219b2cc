# SPDX-License-Identifier: Apache-2.0
"""An API key proves one principal, and every key that does not is refused alike."""

from __future__ import annotations

import dataclasses
import re
import zlib

import pytest

from heptad.security import apikeys
from heptad.security.apikeys import ApiKeys, MemoryRecords, Principal
from heptad.security.purposes import ROLES
from heptad.standards.errors import ContractError, Refused, Unauthorised, UnknownName
from heptad.standards.time import FixedClock, hour, minute

PEPPER = bytes(range(32))


@pytest.fixture
def clock():
    return FixedClock(1_000 * hour)


@pytest.fixture
def records():
    return MemoryRecords()


@pytest.fixture
def keys(records, clock):
    return ApiKeys(records, PEPPER, clock)


def refusal(keys: ApiKeys, text) -> dict:
    with pytest.raises(Unauthorised) as error:
        keys.authenticate(text)
    return error.value.to_dict()


def test_a_key_proves_its_principal(keys):
    issued = keys.issue("scoring job", "risk", ["credit", "fraud"])
    assert keys.authenticate(issued.text) == Principal(
        issued.record.id, "risk", frozenset({"credit", "fraud"})
    )
    other = keys.issue("all of it", "marketer")
    assert keys.authenticate(other.text).purposes == ROLES["marketer"].purposes
    assert [record.name for record in keys.all()] in (
        ["scoring job", "all of it"],
        ["all of it", "scoring job"],
    )


def test_the_form_is_the_one_promised(keys):
    texts = [keys.issue("many", "app").text for _ in range(50)]
    for text in texts:
        found = re.fullmatch(r"(hep_([0-9A-Za-z]{8})_[0-9A-Za-z]{43})_([0-9A-Za-z]{6})", text)
        assert found
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        check = 0
        for c in found[3]:
            check = check * 62 + digits.index(c)
        assert check == zlib.crc32(found[1].encode())
    secrets = "".join(text[13:56] for text in texts)
    assert len(set(texts)) == 50
    assert len(set(secrets)) == 62


def test_the_secret_is_kept_nowhere(keys, records):
    issued = keys.issue("job", "app")
    stored = repr(records.all()) + repr([dataclasses.astuple(r) for r in records.all()])
    secret = issued.text.split("_")[2]
    assert secret not in stored
    assert secret not in repr(issued)
    assert secret not in repr(records._records)


def test_every_failure_is_the_same_error(keys, records, clock):
    good = keys.issue("good", "app")
    expiring = keys.issue("expiring", "app", expires=clock.now() + hour)
    revoked = keys.issue("revoked", "app")
    keys.revoke(revoked.record.id)
    unknown = ApiKeys(MemoryRecords(), PEPPER, clock).issue("unknown", "app")
    other_pepper = ApiKeys(records, bytes(32), clock).issue("other pepper", "app")
    stem = good.text.rsplit("_", 1)[0]
    wrong = stem[:-1] + ("A" if stem[-1] != "A" else "B")
    clock.set(clock.now() + hour)
    bad = [
        None, "", "hep_", good.text[:-1], good.text + "x", good.text.lower(), f" {good.text}",
        f"{good.text}\n", stem, f"{wrong}_{apikeys._check(wrong)}", f"{stem}_000000",
        expiring.text, revoked.text, unknown.text, other_pepper.text, "\ud800", "hep_" * 100_000,
        f"hep_{revoked.record.id}{good.text[12:]}",
    ]  # fmt: skip
    answers = [refusal(keys, text) for text in bad]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["status"] == 401
    assert "got" not in answers[0]
    assert keys.authenticate(good.text).role == "app"


def test_no_changed_character_passes(keys):
    text = keys.issue("job", "app").text
    for at in range(len(text)):
        for c in "aZ0_":
            if text[at] != c:
                stem, _, _ = (text[:at] + c + text[at + 1 :]).rpartition("_")
                refusal(keys, text[:at] + c + text[at + 1 :])
                if stem and stem != text.rpartition("_")[0]:
                    refusal(keys, f"{stem}_{apikeys._check(stem)}")


@pytest.mark.parametrize(
    "edit",
    [
        {"role": "admin"},
        {"purposes": frozenset({"marketing", "fraud"})},
        {"expires": None},
        {"id": "zzzzzzzz"},
    ],
)
def test_an_edited_record_proves_nothing(keys, records, clock, edit):
    issued = keys.issue("job", "app", ["marketing"], expires=clock.now() + hour)
    keys.authenticate(issued.text)
    records._records[issued.record.id] = dataclasses.replace(issued.record, **edit)
    refusal(keys, issued.text)


def test_expiry_is_an_instant(keys, clock):
    start = clock.now()
    issued = keys.issue("job", "app", expires=start + hour)
    clock.set(start + hour - 1)
    keys.authenticate(issued.text)
    clock.set(start + hour)
    refusal(keys, issued.text)
    with pytest.raises(ContractError, match="in the future"):
        keys.issue("late", "app", expires=clock.now())


def test_last_use_is_noted_to_the_minute(keys, records, clock):
    issued = keys.issue("job", "app")
    start, notes = clock.now(), []
    noted = records.used
    records.used = lambda key_id, at: (notes.append(at), noted(key_id, at))
    for after in (0, 1, minute - 1, minute, minute + 5, 2 * minute):
        clock.set(start + after)
        keys.authenticate(issued.text)
    assert notes == [start, start + minute, start + 2 * minute]
    assert records.get(issued.record.id).last_used == start + 2 * minute
    clock.set(start - hour)
    keys.authenticate(issued.text)
    assert notes[-1] == start - hour


def test_a_key_cannot_be_given_more_than_its_role_has(keys, records):
    with pytest.raises(Refused, match="may not act"):
        keys.issue("job", "marketer", ["marketing", "fraud"])
    with pytest.raises(UnknownName, match="admin"):
        keys.issue("job", "admn")
    with pytest.raises(UnknownName, match="fraud"):
        keys.issue("job", "app", ["frauds"])
    assert records.all() == []


def test_revoking(keys, records, clock):
    issued = keys.issue("job", "app")
    keys.revoke(issued.record.id)
    first = records.get(issued.record.id).revoked
    assert first == clock.now()
    clock.set(clock.now() + hour)
    keys.revoke(issued.record.id)
    assert records.get(issued.record.id).revoked == first
    with pytest.raises(UnknownName):
        keys.revoke("nothere0")


def test_unknown_ids_cost_the_same_comparison(keys, monkeypatch):
    """A record or none, exactly one digest is compared, in constant time."""
    compared = []
    compare = apikeys.hmac.compare_digest
    monkeypatch.setattr(
        apikeys.hmac, "compare_digest", lambda a, b: compared.append(len(b)) or compare(a, b)
    )
    good = keys.issue("job", "app").text
    keys.authenticate(good)
    refusal(keys, "hep_zzzzzzzz" + good[12:])
    refusal(keys, "nonsense")
    assert compared == [32, 32, 32]
