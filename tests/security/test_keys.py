# SPDX-License-Identifier: Apache-2.0
"""The key store keeps what it gave and destroys what it must."""

from __future__ import annotations

import base64
import os
import shutil
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from heptad.security import envelope, vault
from heptad.security.envelope import PUT_BACK, RESTORE, Kek, load_kek
from heptad.security.keys import Keys
from heptad.standards.errors import Busy, ContractError, Corrupt, Refused
from heptad.standards.time import FixedClock

NAMES = [f"c{i:03d}" for i in range(40)]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def cheap_argon2(monkeypatch):
    monkeypatch.setattr(
        envelope, "_ARGON2ID", {"time_cost": 1, "memory_cost": 64, "parallelism": 1}
    )


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def forms(secret: bytes) -> list[bytes]:
    return [secret, secret.hex().encode(), base64.b64encode(secret), base64.b85encode(secret)]


# What it gives


def test_a_subject_keeps_its_key_through_reopening_and_epochs(folder):
    with Keys(folder) as keys:
        first = keys.of(["a", "b", "a"])
        assert first[0] == first[2] != first[1]
        assert [len(key) for key in first] == [32, 32, 32]
    with Keys(folder) as keys:
        assert keys.of(["b", "a"]) == [first[1], first[0]]
        assert keys.new_epoch() == 2
        assert keys.of(["a", "b"]) == first[:2]
    with Keys(folder) as keys:
        assert (keys.epoch, len(keys)) == (2, 2)
        assert keys.of(["a", "b"]) == first[:2]


def test_keys_are_not_made_unless_asked(folder):
    with Keys(folder) as keys:
        assert keys.of(["a", "b"], create=False) == [None, None]
        made = keys.of(["b"])
        assert keys.of(["a", "b"], create=False) == [None, *made]
        assert len(keys) == 1


def test_files_are_closed_to_others(folder):
    with Keys(folder) as keys:
        keys.of(["a"])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {"kek", "subjects.sqlite", "subjects.sqlite-wal"} <= set(modes)
    assert set(modes.values()) == {0o600}
    folder.chmod(0o755)
    (folder / "kek").chmod(0o644)
    Keys(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "kek").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", None, 7, b"a", "\ud800"])
def test_an_id_must_be_text(folder, name):
    with Keys(folder) as keys, pytest.raises(ContractError, match="id of a subject"):
        keys.of([name])


def test_odd_ids_are_ids_all_the_same(folder):
    odd = ["a|b", "a", "b", "\u00e9", "e\u0301", "a\0b", "'; DROP TABLE subject; --", " a", "李"]
    with Keys(folder) as keys:
        made = keys.of(odd)
    assert len(set(made)) == len(odd)
    with Keys(folder) as keys:
        assert keys.of(odd, create=False) == made


def test_each_lost_file_has_the_cure_that_can_bring_it_back(folder, tmp_path):
    """No backup has the KEK, and the database without the KEK of its time opens nothing."""
    with Keys(folder) as keys:
        keys.of(NAMES)
        shutil.copy(folder / "kek", tmp_path / "first")
        keys.new_epoch()
    shutil.move(folder / "kek", tmp_path / "second")
    with pytest.raises(Corrupt, match="kek is missing") as found:
        Keys(folder)
    assert found.value.do.startswith(PUT_BACK)
    assert found.value.place == str(folder / "kek")
    for content, more in ((b"{", "without it"), ((tmp_path / "first").read_bytes(), "epoch 2")):
        (folder / "kek").write_bytes(content)
        with pytest.raises(Corrupt) as found:
            Keys(folder)
        assert found.value.do.startswith(PUT_BACK)
        assert more in found.value.do
    shutil.copy(tmp_path / "second", folder / "kek")
    Keys(folder).close()
    (folder / "subjects.sqlite").unlink()
    with pytest.raises(Corrupt, match=r"subjects\.sqlite is missing") as found:
        Keys(folder)
    assert found.value.do == RESTORE


def test_many_subjects_at_once(folder):
    names = [f"customer {i * 7919 % 40009}" for i in range(40_000)]
    with Keys(folder, cache=1000) as keys:
        made = keys.of(names)
        assert len(set(made)) == len(names) == len(keys)
        assert keys.of(names[::-1], create=False) == made[::-1]
        assert keys.new_epoch() == 2
        assert keys.of(names[:3000]) == made[:3000]
        assert len(keys._cache) == 1000


def test_threads_agree(folder):
    got: list[list[bytes | None]] = []
    with Keys(folder, cache=8) as keys:
        work = [threading.Thread(target=lambda: got.append(keys.of(NAMES))) for _ in range(8)]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
    assert len(got) == 8
    assert all(answer == got[0] for answer in got)


# Erasure


def test_a_destroyed_key_is_gone_and_the_others_are_not(folder):
    with Keys(folder, clock=FixedClock(77)) as keys:
        before = keys.of(NAMES)
        assert keys.destroy("c007") is True
        assert keys.destroy("c007") is False
        assert keys.destroy("nobody") is False
        assert (keys.erased("c007"), keys.erased("c008"), keys.erased("nobody")) == (77, None, None)
        assert keys.erasures(["c008", "c007", "c007"]) == {"c007": 77}
    with Keys(folder) as keys:
        after = keys.of(NAMES, create=False)
        assert after[7] is None
        assert after[:7] + after[8:] == before[:7] + before[8:]
        assert keys.erased("c007") == 77


def test_an_erased_subject_gets_no_key_unless_revived(folder):
    with Keys(folder) as keys:
        (old,) = keys.of(["a"])
        keys.destroy("a")
        with pytest.raises(Refused, match="1 subject") as refusal:
            keys.of(["b", "a"])
        assert refusal.value.got == "a"
        assert len(keys) == 0
        (new,) = keys.of(["a"], revive=True)
        assert new != old
        assert keys.of(["a"]) == [new]
        assert keys.erased("a") is not None


def test_nothing_of_an_erased_subject_or_an_old_epoch_is_left_in_the_folder(folder, tmp_path):
    with Keys(folder) as keys:
        subjects = keys.of(NAMES)
        seed = keys.signing_key().private_bytes_raw()
        old_kek = keys._vault.kek.key
        keys.destroy("c011")
        backup = tmp_path / "backup"
        shutil.copytree(folder, backup)
        keys.new_epoch()
        while_open = everything(folder)
        new_kek = keys._vault.kek.key
    for held in (while_open, everything(folder)):
        for secret in (*subjects, seed, old_kek):
            assert not any(form in held for form in forms(secret))
        assert base64.b64encode(new_kek) in held  # the search can find what is there


def test_a_wrapped_key_is_of_its_epoch_and_name():
    one, two = Kek(1, bytes(32)), Kek(2, bytes(32))
    (blob,) = one.wrap([("subject|a", b"k" * 32)])
    assert one.unwrap([("subject|a", blob)]) == [b"k" * 32]
    for kek, label in ((two, "subject|a"), (one, "subject|b"), (one, "secret|a")):
        with pytest.raises(Corrupt):
            kek.unwrap([(label, blob)])


def test_the_old_kek_is_destroyed_where_it_lay(folder, tmp_path):
    with Keys(folder) as keys:
        old = base64.b64encode(keys._vault.kek.key)
        os.link(folder / "kek", tmp_path / "same blocks")
        assert old in (tmp_path / "same blocks").read_bytes()
        keys.new_epoch()
    assert old[:12] not in (tmp_path / "same blocks").read_bytes()


def test_not_even_the_wrapped_key_stays_after_destroying(folder):
    with Keys(folder) as keys:
        keys.of(NAMES)
        find = "SELECT wrapped FROM subject WHERE name = 'c020'"
        wrapped = keys._vault.scalar(find)
        assert wrapped in everything(folder)
        keys.destroy("c020")
        assert wrapped not in everything(folder)


def test_an_old_copy_of_the_store_opens_nothing_after_an_epoch(folder, tmp_path):
    with Keys(folder) as keys:
        keys.of(NAMES)
    old = tmp_path / "old.sqlite"
    shutil.copy(folder / "subjects.sqlite", old)
    with Keys(folder) as keys:
        keys.destroy("c001")
        keys.new_epoch()
        fresh = keys._vault.kek
    shutil.copy(old, folder / "subjects.sqlite")
    with pytest.raises(Corrupt, match="epoch 2, the key store of epoch 1") as found:
        Keys(folder)
    assert found.value.do.startswith(RESTORE)
    row = sqlite3.connect(old).execute("SELECT name, wrapped FROM subject").fetchone()
    for epoch in (1, 2):
        with pytest.raises(Corrupt):
            Kek(epoch, fresh.key).unwrap([(f"subject|{row[0]}", row[1])])


def test_one_process_does_not_answer_from_memory_what_another_destroyed(folder):
    with Keys(folder) as one, Keys(folder) as two:
        made = one.of(["a", "b"])
        assert two.of(["a", "b"]) == made
        one.destroy("a")
        assert two.of(["a", "b"], create=False) == [None, made[1]]
        one.new_epoch()
        assert two.of(["b"]) == [made[1]]
        (late,) = two.of(["late"])
        assert (two.epoch, one.of(["late"])) == (2, [late])


class KeysAgainstADictionary(RuleBasedStateMachine):
    """Any order of calls, epochs and reopenings answers like a dictionary."""

    names = st.lists(st.sampled_from("abcdef"), max_size=6)

    @initialize(passphrase=st.just(None))
    def open(self, passphrase):
        import tempfile

        self.folder = Path(tempfile.mkdtemp(prefix="heptad-keys-"))
        self.keys = Keys(self.folder, cache=3)
        self.held: dict[str, bytes] = {}
        self.erased: set[str] = set()

    @rule(names=names, create=st.booleans(), revive=st.booleans())
    def of(self, names, create, revive):
        barred = self.erased & (set(names) - set(self.held))
        if create and barred and not revive:
            with pytest.raises(Refused):
                self.keys.of(names)
            return
        got = self.keys.of(names, create, revive=revive)
        for name, key in zip(names, got, strict=True):
            assert key == (self.held.setdefault(name, key) if create else self.held.get(name))
        assert len(set(self.held.values())) == len(self.held)

    @rule(name=st.sampled_from("abcdef"))
    def destroy(self, name):
        assert self.keys.destroy(name) == (name in self.held)
        if self.held.pop(name, None):
            self.erased.add(name)

    @rule()
    def new_epoch(self):
        before = self.keys.epoch
        assert self.keys.new_epoch() == before + 1

    @rule()
    def reopen(self):
        self.keys.close()
        self.keys = Keys(self.folder, cache=3)

    @invariant()
    def agrees(self):
        assert len(self.keys) == len(self.held)
        assert set(self.keys.erasures("abcdef")) == self.erased

    def teardown(self):
        self.keys.close()
        shutil.rmtree(self.folder)


KeysAgainstADictionary.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestKeysAgainstADictionary = KeysAgainstADictionary.TestCase


# Secrets of the project


def test_signing_key_and_peppers_outlive_epochs(folder, tmp_path):
    with Keys(folder) as keys:
        signature = keys.signing_key().sign(b"head")
        peppers = keys.pepper("pan"), keys.pepper("content")
        assert len({*peppers}) == 2
        keys.new_epoch()
        keys.public_key().verify(signature, b"head")
    with Keys(folder) as keys:
        keys.public_key().verify(signature, b"head")
        assert (keys.pepper("pan"), keys.pepper("content")) == peppers
    with Keys(tmp_path / "other") as other:
        assert other.pepper("pan") != peppers[0]
        assert other.public_key() != keys_public(folder)


def keys_public(folder):
    with Keys(folder) as keys:
        return keys.public_key()


@pytest.mark.usefixtures("cheap_argon2")
def test_a_passphrase_locks_the_store(folder, monkeypatch):
    monkeypatch.setenv("HEPTAD_PASSPHRASE", "four walls and a roof")
    with Keys(folder) as keys:
        made = keys.of(["a"])
        key = keys._vault.kek.key
        assert not any(form in everything(folder) for form in forms(key))
        keys.new_epoch()
    with Keys(folder) as keys:
        assert keys.of(["a"]) == made
    with pytest.raises(Refused, match="does not open"):
        Keys(folder, passphrase="four walls")
    monkeypatch.delenv("HEPTAD_PASSPHRASE")
    with pytest.raises(Refused, match="locked by a passphrase"):
        Keys(folder)
    with Keys(folder, passphrase="four walls and a roof") as keys:
        assert keys.of(["a"]) == made


@pytest.mark.usefixtures("cheap_argon2")
def test_a_passphrase_set_later_locks_from_the_next_epoch(folder):
    with Keys(folder) as keys:
        made = keys.of(["a"])
    with Keys(folder, passphrase="later") as keys:
        keys.new_epoch()
    with pytest.raises(Refused):
        Keys(folder)
    with Keys(folder, passphrase="later") as keys:
        assert keys.of(["a"]) == made


# Damage


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.usefixtures("cheap_argon2")
def test_no_flipped_bit_of_a_kek_file_gives_another_key(tmp_path, locked):
    path, kek, phrase = tmp_path / "kek", Kek.fresh(3), "phrase" if locked else None
    envelope.save_kek(path, kek, phrase)
    whole = path.read_bytes()
    refused = 0
    for at in range(len(whole)):
        for bit in (1, 16, 128):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            try:
                assert load_kek(path, phrase) == kek
            except (Corrupt, Refused):
                refused += 1
    assert refused > 2.5 * len(whole)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"format":2}', '{"format":1}', "\xff", '{"format":1,"epoch":1,"kek":"AA=="}',
        '{"format":1,"epoch":1,"kek":"AAAA","argon2id":{"salt":"AAAAAAAAAAAAAAAAAAAAAA==",'
        '"time_cost":1,"memory_cost":999999999999,"parallelism":1}}',
        '{"format":1,"epoch":1,"kek":"AAAA","argon2id":7}',
    ],
)  # fmt: skip
def test_a_kek_file_that_is_none_is_refused(folder, text):
    Keys(folder).close()
    (folder / "kek").write_text(text, encoding="latin-1")
    with pytest.raises(Corrupt, match="does not hold a key"):
        Keys(folder, passphrase="phrase")


@pytest.mark.parametrize("name", ["kek", "subjects.sqlite"])
def test_a_missing_file_is_never_made_anew(folder, name):
    with Keys(folder) as keys:
        keys.of(["a"])
    (folder / name).unlink()
    for _ in range(2):
        with pytest.raises(Corrupt, match="missing"):
            Keys(folder)


def test_a_damaged_database_is_told(folder):
    with Keys(folder) as keys:
        keys.of(NAMES)
    path = folder / "subjects.sqlite"
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    with pytest.raises(Corrupt, match="missing or damaged"):
        Keys(folder)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE subject SET wrapped = (SELECT wrapped FROM subject WHERE name = 'c001')",
        "UPDATE subject SET wrapped = substr(wrapped, 1, 59) || x'00'",
        "UPDATE subject SET wrapped = cast(substr(wrapped, 1, 59) || x'00' AS BLOB)",
        "UPDATE subject SET wrapped = x''",
        "UPDATE subject SET wrapped = (SELECT wrapped FROM secret WHERE name = 'root')",
    ],
)
def test_wrapped_keys_cannot_be_exchanged(folder, tampering):
    with Keys(folder) as keys:
        keys.of(["c000", "c001"])
        keys.pepper("any")
    db = sqlite3.connect(folder / "subjects.sqlite")
    db.execute(tampering)
    db.commit()
    db.close()
    with Keys(folder) as keys, pytest.raises(Corrupt, match=r"does not open|damaged"):
        keys.of(["c000"])


class Forgetful(sqlite3.Connection):
    """A file system on which SQLite silently keeps its old journal."""

    def execute(self, sql, *parameters):
        return super().execute(sql.replace("journal_mode=WAL", "journal_mode=DELETE"), *parameters)


def test_a_durability_that_does_not_hold_is_refused(folder, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(
        vault.sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=Forgetful)
    )
    with pytest.raises(Busy, match="journal_mode=WAL did not hold"):
        Keys(folder)
