# SPDX-License-Identifier: Apache-2.0
"""What Flink is told, what it is not, and the rows that it would misread."""

from __future__ import annotations

import pytest

from heptad.engine.flink import environment
from heptad.service.batch.flink import Source, note, refuse_rows
from heptad.service.batch.flink_sql import flink_plan, parsed, why_not
from heptad.service.batch.windows import Stored
from heptad.service.features import count, last, latest, named, spread, total
from heptad.service.operators.patterns import distinct, entropy
from heptad.service.operators.space import moved
from heptad.standards import hour, minute, second
from heptad.standards.errors import Busy, ContractError
from heptad.standards.model import Label, Payment
from heptad.testing.definition import Version
from tests.service.test_guard import last as last_read
from tests.service.test_guard import platform
from tests.service.test_windows import BY, EUR, Registered, arrow, duck

__all__ = ["duck", "platform"]


def planned(**features):
    return flink_plan(list(named(features).values()))


def test_one_query_per_key_and_window():
    queries = planned(
        a=count(Payment.id, by=BY, over=hour),
        b=total(Payment.amount, by=BY, over=hour, where=EUR),
        c=count(Payment.id, by=BY, over=last(3)),
        d=count(Payment.id, by=(BY, Payment.merchant), over=hour),
    )
    assert [sorted(q.columns) for q in queries] == [["a", "b"], ["c"], ["d"]]
    assert queries[0].sql == (
        "SELECT `_id`, CAST(COUNT(CASE WHEN `id` IS NOT NULL THEN 1 END) OVER w AS STRING) AS f0_0, "
        "CAST(SUM(CASE WHEN `amount` IS NOT NULL AND ((`currency` = CAST('EUR' AS STRING))) THEN "
        "CAST(`amount` AS DECIMAL(38, 0)) END) OVER w AS STRING) AS f1_0, "
        "CAST(COUNT(CASE WHEN `amount` IS NOT NULL AND ((`currency` = CAST('EUR' AS STRING))) THEN 1 "
        "END) OVER w AS STRING) AS f1_1 FROM events WHERE `customer` IS NOT NULL WINDOW w AS "
        "(PARTITION BY `customer` ORDER BY `_rt` RANGE BETWEEN INTERVAL '0 00:59:59.999' DAY(3) TO "
        "SECOND(3) PRECEDING AND CURRENT ROW)"
    )
    assert "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW" in queries[1].sql
    assert "PARTITION BY `customer`, `merchant`" in queries[2].sql


def test_tumbling_windows_are_open_where_they_begin():
    tumbling, hopping = planned(
        a=count(Payment.id, by=BY, every=hour),
        b=count(Payment.id, by=BY, every=hour, over=3 * hour),
    )
    one, three = (f"INTERVAL '0 0{n}:00:00.000' DAY(3) TO SECOND(3)" for n in (1, 3))
    late = "INTERVAL '0 00:00:00.001' DAY(3) TO SECOND(3)"
    assert f"TUMBLE(TABLE events, DESCRIPTOR(`_rt`), {one}, {late})" in tumbling.sql
    assert f"HOP(TABLE events, DESCRIPTOR(`_rt`), {one}, {three}, {late})" in hopping.sql
    assert tumbling.edged
    assert tumbling.every == hour


@pytest.mark.parametrize(
    ("feature", "why"),
    [
        (entropy(Payment.country, by=BY, over=hour), "entropy"),
        (moved(Payment.place, by=BY), "moved"),
        (distinct(Payment.country, by=BY, every=hour), "tumbling"),
        (total(Payment.amount, by=BY, into="EUR"), "into"),
        (count(Payment.id, by=BY, over=hour, delay=minute), "delay"),
        (count(Label.id, by=Label.payment.merchant, over=hour), "walks over Refs"),
        (count(Payment.id, by=BY, over=last(2), every=hour), "length of time only"),
        (count(Payment.id, by=BY, over=90 * minute, every=hour), "does not divide"),
        (count(Payment.id, by=BY, over=5), "milliseconds"),
        (count(Payment.id, by=BY, over=1000 * 24 * hour), "999 days"),
        (count(Payment.id, by=BY, where=Payment.amount * 2 > 5), "mul"),
        (latest(Payment.country, by=BY, where=Payment.amount / 2 > 1), "list_extract"),
    ],
)
def test_what_flink_cannot_say_is_refused_by_name(feature, why):
    assert why in why_not(feature)
    with pytest.raises(ContractError, match="is not computed on Flink"):
        flink_plan(list(named({"it": feature}).values()))


def test_state_is_finished_as_everywhere():
    of = dict(named({
        "total": total(Payment.amount, by=BY, where=EUR), "latest": latest(Payment.country, by=BY),
        "spread": spread(Payment.amount, by=BY, where=EUR), "none": count(Payment.id, by=BY),
    }))  # fmt: skip
    assert parsed(of["total"], [str(-(2**63) + 1), "2"], 0) == -(2**63) + 1
    assert parsed(of["latest"], ["00000000000000000007ES"], 0) == "ES"
    assert parsed(of["spread"], ["2", "4", "10"], 0) == 2**0.5
    assert parsed(of["none"], [None], 0) == 0
    for lost in (["9223372036854775808", "2"], [None, "2"]):
        with pytest.raises(ContractError, match="64 bits"):
            parsed(of["total"], lost, 0)


def rows(*changed):
    made = [Version({"id": f"p{n}", "event_time": (n + 1) * second, "customer": "a"}, (n + 1) * second)
            for n in range(4)]  # fmt: skip
    return [*made, *changed]


def late(values, known, deleted=False):
    return Version({"id": "p9", "event_time": 9 * second, "customer": "a"} | values, known, deleted)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (late({"id": "p1"}, 9 * second), "corrected"),
        (late({}, 9 * second, True), "deleted"),
        (late({"event_time": 0}, 9 * second), "before 1970"),
        (late({"event_time": 9 * second + 1}, 9 * second + 1), "finer than a millisecond"),
        (late({"event_time": 2 * second}, 2 * second), "share key and instant"),
        (late({"event_time": second + 1000}, 9 * second), "no known_time"),
    ],
)
def test_rows_that_flink_would_misread_are_refused(duck, more, why):
    asked = list(named({"n": count(Payment.id, by=BY, over=hour)}).values())

    def refuse(held):
        queries = Registered(duck, events=arrow(Payment, held))
        refuse_rows(asked, Source(Payment, Stored("events", corrected=False), queries))

    refuse(rows(late({}, 9 * second)))
    # A row without a key is in no window.
    refuse(rows(late({"event_time": 2 * second, "customer": None}, 2 * second)))
    with pytest.raises(ContractError, match=why):
        refuse(rows(more))


def test_a_run_is_recorded_with_whom_its_rows_are_about(platform):
    asked = list(named({"n": count(Payment.id, by=BY, over=hour)}).values())
    reader = {"who": "local", "role": "risk", "purpose": "fraud"}
    with platform.guard.computing("history", asked, **reader) as access:
        reads = platform.reads.under(access)
        note(access, Source(Payment, reads.stored(Payment), reads.queries))
    assert (last_read(platform).record.rows, last_read(platform).record.people) == (6, 3)


def test_a_missing_flink_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv(environment.PLACE, str(tmp_path / "flink"))
    with pytest.raises(Busy, match="heptad engine install flink"):
        environment.find()
    # An installation that was broken off is no installation.
    (tmp_path / "flink").mkdir()
    (tmp_path / "flink" / "heptad-flink.json").write_text('{"release": "2.3.0"}', encoding="utf-8")
    with pytest.raises(Busy, match="not installed"):
        environment.find()


def test_an_installation_goes_on_where_it_was_broken_off(tmp_path, monkeypatch):
    folder = tmp_path / "flink"
    monkeypatch.setenv(environment.PLACE, str(folder))
    monkeypatch.setattr(environment.venv, "create", lambda place, **_: made(place))
    pip = iter([False, True])

    def made(place):
        (place / "bin").mkdir(parents=True)
        python = place / "bin" / "python"
        home = place / "lib" / "python3.11" / "site-packages" / "pyflink" / "bin"
        goes = f"mkdir -p {home}" if next(pip) else "echo no network >&2; exit 1"
        python.write_text(f"#!/bin/sh\n{goes}\n", encoding="utf-8")
        python.chmod(0o755)

    with pytest.raises(Busy, match="no network"):
        environment.install()
    (folder / "bin" / "python").unlink()
    (folder / "bin").rmdir()
    assert environment.install().release == environment.RELEASE
    assert environment.install().folder == folder
