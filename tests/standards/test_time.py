# SPDX-License-Identifier: Apache-2.0
"""Instants and durations are whole microseconds, UTC, and are read and written exactly."""

from __future__ import annotations

import time as _time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heptad.standards.errors import ContractError, InputError
from heptad.standards.time import (
    EARLIEST,
    LATEST,
    FixedClock,
    SystemClock,
    day,
    format_duration,
    format_instant,
    from_micros,
    hour,
    micros,
    minute,
    parse_duration,
    parse_instant,
    second,
    week,
    zone,
)

FIRST = micros(datetime.min.replace(tzinfo=UTC))
LAST = micros(datetime.max.replace(tzinfo=UTC))


def test_units_and_bounds() -> None:
    assert (second, minute, hour, day, week) == (
        10**6,
        6 * 10**7,
        36 * 10**8,
        864 * 10**8,
        6048 * 10**8,
    )
    assert format_instant(EARLIEST) == "1900-01-01T00:00:00Z"
    assert format_instant(LATEST) == "9999-12-31T23:59:59Z"
    assert micros(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert micros(datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == -1


@given(value=st.integers(FIRST, LAST))
def test_instants_survive_both_ways(value: int) -> None:
    assert micros(from_micros(value)) == value
    assert parse_instant(format_instant(value)) == value


@given(
    moment=st.datetimes(timezones=st.just(UTC)),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_a_zone_changes_the_writing_not_the_instant(moment: datetime, offset: int) -> None:
    try:
        local = moment.astimezone(timezone(timedelta(minutes=offset)))
    except OverflowError:
        return
    assert micros(local) == micros(moment)
    assert parse_instant(local.isoformat()) == micros(moment)


@given(value=st.integers(FIRST, LAST - 1))
def test_later_instants_sort_later(value: int) -> None:
    assert from_micros(value) < from_micros(value + 1)


def test_text_without_a_zone_is_utc_and_a_date_its_first_instant() -> None:
    noon = 1767225600 * second
    for text in (
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        " 2026-01-01T01:00+01:00 ",
    ):
        assert parse_instant(text) == noon


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01", "2026-02-30", "01/03/2026", "2026-01-01T25:00", "nan", "\x00"],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="ISO 8601") as caught:
        parse_instant(text)
    assert caught.value.do


@pytest.mark.parametrize("value", [FIRST - 1, LAST + 1, 2**63 - 1, -(2**63)])
def test_an_instant_beyond_the_calendar_is_refused(value: int) -> None:
    with pytest.raises(ContractError, match="years 1 to 9999"):
        format_instant(value)


def test_a_datetime_without_a_zone_is_refused() -> None:
    with pytest.raises(ContractError, match="time zone"):
        micros(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 days", 2 * day), ("1 day", day), ("90 minutes", 90 * minute), ("90 min", 90 * minute),
        ("36h", 36 * hour), ("5s", 5 * second), ("5 seconds", 5 * second), ("250 ms", 250_000),
        ("5 us", 5), ("5us", 5), ("3 microseconds", 3), ("2 W", 2 * week), ("0 days", 0),
        (" 1  week ", week), ("1 milliseconds", 1000), ("2 mins", 2 * minute), ("7d", 7 * day),
        ("2 years", 730 * day),
    ],
)  # fmt: skip
def test_durations_are_read(text: str, value: int) -> None:
    assert parse_duration(text) == value


@pytest.mark.parametrize(
    "text",
    ["", "days", "2", "-2 days", "2.5 days", "2 months", "2 days 3 hours", "\u0662 days",
     "1e3 s", "99999999999 days", "2 dayss", "2 sss", "2 days\x00"],
)  # fmt: skip
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="a number and a unit"):
        parse_duration(text)


@given(value=st.integers(0, 10**9 - 1), unit=st.sampled_from([1, second, minute, hour, day]))
def test_durations_survive_both_ways(value: int, unit: int) -> None:
    assert parse_duration(format_duration(value * unit)) == value * unit
    assert parse_duration(value) == value


def test_durations_are_written_in_their_largest_whole_unit() -> None:
    shown = [format_duration(v) for v in (7 * day, day, 36 * hour, 90 * minute, second, 1, 0)]
    assert shown == ["7 days", "1 day", "36 hours", "90 minutes", "1 second", "1 us", "0 us"]


def test_the_systems_clock_never_runs_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    told = [5_000_000, 3_000_000, 4_000_000, 6_000_000]
    answers = iter(told)
    monkeypatch.setattr(_time, "time_ns", lambda: next(answers) * 1000)
    assert [clock.now() for _ in told] == [5_000_000, 5_000_000, 5_000_000, 6_000_000]


def test_a_fixed_clock_stands_until_it_is_set() -> None:
    clock = FixedClock(5)
    assert (clock.now(), clock.now()) == (5, 5)
    clock.set(3)
    assert clock.now() == 3


def test_zones_are_iana_names_only() -> None:
    assert str(zone("Europe/Madrid")) == "Europe/Madrid"
    for name in (
        "",
        "Mars/Base",
        "../etc/passwd",
        "/etc/passwd",
        "Europe",
        "a\x00b",
        "x" * 400,
        "CEST+1",
    ):
        with pytest.raises(InputError, match="IANA"):
            zone(name)
