# SPDX-License-Identifier: Apache-2.0
"""Golden rules: what a fraud desk would expect of single payments."""

import pytest

from heptad.apps.fraud import app
from heptad.service.app import Inputs
from heptad.service.decisions.sentences import sentence
from heptad.standards import minute

ROW = {
    "id": "p",
    "event_time": 10_000 * minute,
    "country": "ES",
    "channel": "terminal",
    "device": None,
}
QUIET = {
    "count_10m": 1, "count_1h": 1, "count_30d": 30, "declined_1h": 0, "spend_1d": 4_000,
    "spend_30d": 120_000, "mean_90d": 4_000, "largest_90d": 20_000, "this_amount": 4_000,
    "previous_country": "ES", "previous_time": 9_000 * minute, "device_count_90d": 0,
    "merchant_checked_28d": 0, "merchant_fraud_28d": None,
}  # fmt: skip


def decide(row=(), **changes):
    assert set(changes) <= set(app.features)
    return app.decide(Inputs(QUIET | changes, ROW | dict(row), app.policy))


CASES = [
    ("a quiet payment", {}, {}, "approve", ["ORDINARY"]),
    ("the fourth within ten minutes", {}, {"count_10m": 4}, "hold", ["BURST"]),
    ("the third is still allowed", {}, {"count_10m": 3}, "approve", ["ORDINARY"]),
    ("three refusals in an hour", {}, {"declined_1h": 3}, "hold", ["DECLINED"]),
    (
        "abroad twenty minutes later",
        {},
        {"previous_country": "US", "previous_time": 9_980 * minute},
        "hold",
        ["TRAVEL"],
    ),
    (
        "abroad a day later",
        {},
        {"previous_country": "US", "previous_time": 8_000 * minute},
        "approve",
        ["ORDINARY"],
    ),
    (
        "abroad on the net",
        {"channel": "online"},
        {"previous_country": "US", "previous_time": 9_980 * minute},
        "approve",
        ["ORDINARY"],
    ),
    (
        "a day's spending far above the usual",
        {},
        {"spend_1d": 90_000, "spend_30d": 200_000, "this_amount": 80_000},
        "hold",
        ["SPEND"],
    ),
    (
        "a rich customer's usual day",
        {},
        {"spend_1d": 90_000, "spend_30d": 2_700_000, "this_amount": 80_000, "mean_90d": 80_000},
        "approve",
        ["ORDINARY"],
    ),
    (
        "first payment from a device, larger than any",
        {"device": "d"},
        {"device_count_90d": 1, "this_amount": 20_001},
        "challenge",
        ["DEVICE"],
    ),
    (
        "a merchant where most checked payments were fraud",
        {},
        {"merchant_checked_28d": 6, "merchant_fraud_28d": 0.5},
        "challenge",
        ["MERCHANT"],
    ),
    (
        "too few were checked",
        {},
        {"merchant_checked_28d": 2, "merchant_fraud_28d": 1.0},
        "approve",
        ["ORDINARY"],
    ),
    (
        "reasons to hold come together",
        {},
        {"count_10m": 9, "declined_1h": 5},
        "hold",
        ["BURST", "DECLINED"],
    ),
]


@pytest.mark.parametrize(("what", "row", "changes", "outcome", "codes"), CASES, ids=lambda c: None)
def test_rule(what, row, changes, outcome, codes):
    found = decide(row, **changes)
    assert (found.outcome, [r.code for r in found.reasons]) == (outcome, codes), what


def test_a_reason_names_its_numbers_in_both_languages():
    (reason,) = decide(count_10m=4, count_30d=64).reasons
    assert sentence(app, reason) == "4 payments in 10 minutes (usual: 2 a day)"
    assert sentence(app, reason, language="zh") == "10 分钟内 4 笔付款(平时每天 2 笔)"


def test_policy_moves_a_limit():
    strict = app.policy | {"burst_payments": 2}
    assert app.decide(Inputs(QUIET | {"count_10m": 2}, ROW, strict)).outcome == "hold"
