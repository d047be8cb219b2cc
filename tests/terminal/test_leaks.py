# SPDX-License-Identifier: Apache-2.0
"""An hour of mixed requests leaves a server's memory, open files and threads as they were."""

from __future__ import annotations

import json

import pytest

from tests.terminal.leaking import READINGS, run


@pytest.mark.soak
@pytest.mark.timeout(5000)
@pytest.mark.parametrize("seconds", [180, 3600])
def test_nothing_leaks(seconds: int) -> None:
    told = run(seconds)
    readings = told["readings"]
    warm, last = readings[READINGS // 2 :], readings[-1]
    said = json.dumps(told, indent=1)
    assert last["requests"] >= seconds, said
    assert max(r["threads"] for r in warm) <= warm[0]["threads"] + 2, said
    assert last["files"] <= warm[0]["files"] + 8, said
    # An index of what was decided is kept: some bytes for each request, not some kilobytes.
    grown = (last["mib"] - warm[0]["mib"]) * 2**20
    assert grown <= max(0.05 * warm[0]["mib"] * 2**20, 500 * last["requests"]), said
