# SPDX-License-Identifier: Apache-2.0
"""The probe: which disks a project may lie on, and what each must do."""

from __future__ import annotations

import fcntl

import pytest

from heptad.engine.local import probe
from heptad.standards.errors import Refused

LINES = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:25 / /srv/nfs rw - nfs4 host:/x rw,vers=4.2
31 27 0:26 / /run rw - tmpfs tmpfs rw,size=1024k
32 27 0:27 / /var/lib rw - overlay overlay rw,lowerdir=/a
33 27 0:28 / /fast rw - ext4 /dev/vdb rw,nobarrier
34 27 0:29 / /odd\\040name rw - xfs /dev/vdc rw
35 34 0:30 / /srv/nfs/local rw - xfs /dev/vdd rw
36 27 0:31 / /box rw - 9p share rw
"""


@pytest.fixture
def mounts(tmp_path):
    path = tmp_path / "mountinfo"
    path.write_text(LINES, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("folder", "kind", "ok", "says"),
    [
        ("/home/x", "ext4", True, "ext4 at /"),
        ("/srv/nfs/bank", "nfs4", False, "locks and syncs do not hold"),
        ("/srv/nfs/local/bank", "xfs", True, "xfs at /srv/nfs/local"),
        ("/run/bank", "tmpfs", False, "gone when the machine stops"),
        ("/var/lib/bank", "overlay", True, "gone with its container"),
        ("/fast", "ext4", False, "nobarrier"),
        ("/odd name/x", "xfs", True, "xfs at /odd name"),
        ("/box/x", "9p", True, "not one that we test on"),
    ],
)
def test_the_kind_of_a_disk_decides(mounts, folder, kind, ok, says):
    from pathlib import Path

    found = probe.mount_of(Path(folder), mounts)
    assert found is not None
    assert found.kind == kind
    trial = probe.judged(found)
    assert (trial.ok, says in trial.found) == (ok, True)
    assert trial.ok or trial.do


def test_a_network_file_system_is_refused_with_the_cure(mounts):
    from pathlib import Path

    with pytest.raises(Refused, match="block volume"):
        probe.refuse_network(Path("/srv/nfs/bank"), mounts)
    probe.refuse_network(Path("/run/bank"), mounts)
    probe.refuse_network(Path("/x"), mounts.with_name("absent"))
    assert probe.judged(None).ok


def test_this_disk_keeps_every_promise_and_is_left_as_it_was(tmp_path):
    found = probe.trials(tmp_path)
    assert [t.what for t in found if not t.ok and t.what != "file system"] == []
    assert len(found) == 8
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("what", "broken"),
    [
        ("disk: lock", lambda: (fcntl, "flock", lambda *_: None)),
        ("disk: link", lambda: (probe.Path, "hardlink_to", lambda *_: None)),
        ("disk: rename", lambda: (probe.Path, "replace", lambda *_: None)),
        ("disk: exclusive creation", lambda: (probe.Path, "touch", lambda *_, **__: None)),
        ("disk: file times", lambda: (probe, "_SKEW_S", -1.0)),
    ],
)
def test_a_disk_that_breaks_a_promise_is_found(tmp_path, monkeypatch, what, broken):
    monkeypatch.setattr(*broken())
    wrong = [t for t in probe.trials(tmp_path) if not t.ok and t.what != "file system"]
    assert [t.what for t in wrong] == [what]
    assert wrong[0].do


def test_a_disk_that_syncs_too_quickly_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(probe.os, "fsync", lambda _: None)
    (found,) = [t for t in probe.trials(tmp_path) if t.what == "disk: sync"]
    assert "too quick" in found.found
