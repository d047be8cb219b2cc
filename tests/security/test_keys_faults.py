# SPDX-License-Identifier: Apache-2.0
"""The key store survives a kill at any step, and tells whatever storage call fails."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import sys

import pytest

from heptad.security import envelope, vault
from heptad.security.envelope import Kek
from heptad.security.keys import Keys
from heptad.standards.errors import Busy

NAMES = [f"c{i:03d}" for i in range(40)]
STORAGE_CALLS = ("open", "write", "fsync", "replace", "unlink")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


class Steps:
    """Counts storage calls and SQL statements, and acts at the n-th."""

    def __init__(self, at: int, act) -> None:
        self.at, self.act, self.seen = at, act, 0

    def step(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            self.act()

    def install(self, patch, *, statements: bool) -> None:
        for name in STORAGE_CALLS:
            patch.setattr(os, name, self._before(getattr(os, name)))
        if statements:
            connect = sqlite3.connect

            def traced(*args, **kwargs):
                db = connect(*args, **kwargs)
                db.set_trace_callback(lambda _: self.step())
                return db

            patch.setattr(vault.sqlite3, "connect", traced)

    def _before(self, call):
        def counted(*args, **kwargs):
            self.step()
            return call(*args, **kwargs)

        return counted


def killed(work, at: int) -> bool:
    """Run `work` in a child that dies at its n-th step; whether it did die."""
    child = os.fork()
    if child == 0:
        try:
            patch = pytest.MonkeyPatch()
            Steps(at, lambda: os._exit(9)).install(patch, statements=True)
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


def test_a_kill_at_any_step_of_an_epoch_loses_nothing(tmp_path):
    base = tmp_path / "base"
    with Keys(base) as keys:
        made = keys.of(NAMES)
        root = keys.pepper("pan")
        keys.destroy("c000")
    at, epochs = 1, set()
    while True:
        folder = tmp_path / "run"
        shutil.copytree(base, folder)
        died = killed(lambda: Keys(folder).new_epoch(), at)  # noqa: B023
        with Keys(folder) as keys:
            epochs.add(keys.epoch)
            assert keys.of(NAMES, create=False) == [None, *made[1:]]
            assert keys.pepper("pan") == root
            assert not list(folder.glob("kek*.*"))
            if at % 5 == 0:
                assert keys.new_epoch() in (2, 3)
        shutil.rmtree(folder)
        if not died:
            break
        at += 1
    assert at > 30
    assert epochs == {1, 2}


def test_a_kill_at_any_step_of_the_making_leaves_a_folder_that_opens(tmp_path):
    at = 1
    while True:
        folder = tmp_path / f"run{at}"
        died = killed(lambda: Keys(folder).of(["a"]), at)  # noqa: B023
        with Keys(folder) as keys:
            made = keys.of(["a", "b"])
        with Keys(folder) as keys:
            assert keys.of(["a", "b"], create=False) == made
        if not died:
            break
        at += 1
    assert at > 20


def attempt(work) -> str | None:
    try:
        work()
    except Busy as error:
        return str(error)
    return None


@pytest.mark.parametrize("fault", [errno.EIO, errno.ENOSPC])
def test_a_failed_storage_call_in_an_epoch_is_told_and_harmless(tmp_path, fault):
    folder, at = tmp_path / "keys", 1
    with Keys(folder) as keys:
        made = keys.of(NAMES)

        def fail():
            raise OSError(fault, os.strerror(fault))

        while True:
            with pytest.MonkeyPatch.context() as patch:
                Steps(at, fail).install(patch, statements=False)
                told = attempt(keys.new_epoch)
            if told is None:
                break
            assert os.strerror(fault) in told
            assert keys.of(NAMES, create=False) == made
            with Keys(folder) as again:
                assert again.of(NAMES, create=False) == made
            at += 1
        assert keys.of(NAMES) == made
    assert at > 8


def test_a_key_file_is_durable_before_it_has_its_name(tmp_path, monkeypatch):
    calls = []
    for name in STORAGE_CALLS:
        call = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, _call=call, _name=name: calls.append(_name) or _call(*a)
        )
    envelope.save_kek(tmp_path / "kek", Kek.fresh(1), None)
    assert calls == ["open", "write", "fsync", "replace", "open", "fsync"]
    calls.clear()
    envelope.discard(tmp_path / "kek")
    assert calls == ["open", "write", "fsync", "unlink", "open", "fsync"]


def test_a_short_write_is_a_failed_one(folder, monkeypatch):
    write = os.write
    with Keys(folder) as keys:
        made = keys.of(["a"])
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda handle, data: write(handle, data[:5]))
            with pytest.raises(Busy, match="in part"):
                keys.new_epoch()
        assert (keys.of(["a"]), keys.epoch) == (made, 1)
        assert keys.new_epoch() == 2
