# SPDX-License-Identifier: Apache-2.0
"""What could not be recorded is found out before anything goes on, and every store is let go."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from path_work import PathWork, payment

from heptad.catalog.loads import Loads
from heptad.engine.local.segments import Segments
from heptad.runtime import Platform
from heptad.security.access import AccessLog
from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A small project."""
    PathWork().prepare(tmp_path / "project")
    return tmp_path / "project"


def refuse(*_: object, **__: object) -> None:
    raise Busy("The disk of the catalog is full.")


def test_a_load_whose_end_was_not_recorded_is_settled_before_the_next(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Platform.open(home) as platform:
        platform.load()
        with monkeypatch.context() as full:
            full.setattr(Loads, "committed", refuse)
            with pytest.raises(Busy):
                platform.store("Payment", [payment(3)])
        report = platform.store("Payment", [payment(4)])
        assert report.accepted == ("p4",)
        assert platform.store("Payment", [payment(3)]).duplicates == ("p3",)
    with Platform.open(home) as platform:
        PathWork().check(platform, {})
        assert platform.read("Payment", purpose="service").num_rows == 4


def test_a_store_that_cannot_be_closed_keeps_no_other_open(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = Platform.open(home)
    with monkeypatch.context() as full:
        full.setattr(AccessLog, "close", refuse)
        with pytest.raises(Busy):
            platform.close()
    with Segments(home / "log" / "decisions", floor=0):
        pass
    platform.access.close()
    with Platform.open(home) as platform:
        assert platform.load()


def test_a_project_that_could_not_be_opened_opens_later_in_the_same_process(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from heptad.catalog.loading import Loading

    with monkeypatch.context() as full:
        full.setattr(Loading, "recover", refuse)
        with pytest.raises(Busy):
            Platform.open(home)
    with caplog.at_level(logging.WARNING), Platform.open(home) as platform:
        assert [report.accepted for report in platform.load()] == [4, 2]
    assert caplog.records == []
