# SPDX-License-Identifier: Apache-2.0
"""Lists: filled from CSV and XLSX, ended by time or deletion, and replayed as they were known."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path  # noqa: TC003 - read by a fixture

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.apps.fraud import app as fraud
from heptad.engine.sql.expressions import sql_text
from heptad.runtime import Platform
from heptad.service.flows.published import Flowing
from heptad.service.rules.lists import REFS, entries, on_list, relation
from heptad.sources.sheets import read_sheet
from heptad.standards.errors import ContractError, HeptadError, InputError
from heptad.standards.expression import from_json
from heptad.standards.model import Listing, Payment
from heptad.standards.resolve import resolve
from heptad.standards.time import LATEST, day, format_instant, parse_instant
from heptad.testing.scratch import project

FLOW = fraud.flow.path.read_text().replace(
    "- checks:\n",
    "- prefilter:\n  - code: WATCHED\n    when: {listed: [{column: merchant}, watched]}\n"
    "    outcome: challenge\n    says: {en: on the list of merchants}\n- checks:\n",
    1,
)


@pytest.fixture
def app(tmp_path: Path):
    features = {**fraud.features, "watched_merchant": on_list("watched", Payment.merchant)}
    path = tmp_path / "flow.yaml"
    path.write_text(FLOW)
    flow = Flowing(path, Payment, features)

    def decide(x):
        """Decide by the flow."""
        return flow.decide(x)

    return replace(fraud, name="watching", features=features, flow=flow, decide=decide)


def workbook(rows):
    """A workbook as spreadsheets write it, with shared texts."""
    texts = sorted({c for row in rows for c in row})
    cells = "".join(
        f'<row r="{n}">' + "".join(f'<c r="{chr(65 + i)}{n}" t="s"><v>{texts.index(c)}</v></c>'
                                   for i, c in enumerate(row) if c) + "</row>"
        for n, row in enumerate(rows, 1)
    )  # fmt: skip
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr(
            "xl/worksheets/sheet1.xml",
            f"<worksheet {space}><sheetData>{cells}</sheetData></worksheet>",
        )
        book.writestr(
            "xl/sharedStrings.xml",
            f"<sst {space}>" + "".join(f"<si><t>{t}</t></si>" for t in texts) + "</sst>",
        )
    return file.getvalue()


ROWS = [["id", "until"], ["m1", "2026-05-01"], ["m2", ""], ["é", "2026-06-01"]]


def test_a_csv_and_a_workbook_give_the_same_rows():
    text = "\n".join(",".join(row) for row in ROWS).encode("utf-8-sig")
    found = read_sheet(workbook(ROWS), "list.xlsx")
    assert found == read_sheet(text, "list.csv")
    assert found == [
        {"id": "m1", "until": "2026-05-01"},
        {"id": "m2"},
        {"id": "é", "until": "2026-06-01"},
    ]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"id\n\xff\xfe\n", "a.csv"), (b"id,id\n1,2\n", "a.csv"), (b"", "a.csv"), (b"x", "a.xlsx"),
        (b'id\n"1\n', "a.csv"), (b"x", "a.xls"), (workbook(ROWS)[:200], "a.xlsx"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_whole(content, name):
    with pytest.raises(InputError):
        read_sheet(content, name)


def test_a_workbook_that_declares_entities_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as book:
        book.writestr("xl/worksheets/sheet1.xml", '<!DOCTYPE a [<!ENTITY b "c">]><worksheet/>')
    with pytest.raises(InputError, match="workbook"):
        read_sheet(file.getvalue(), "a.xlsx")


def test_a_row_without_a_key_names_its_line():
    with pytest.raises(InputError) as met:
        entries(
            [{"id": "m1"}, {"name": "x"}],
            name="w",
            kind="watch",
            of="Merchant",
            column="id",
            since=0,
        )
    assert met.value.place == "line 3"
    with pytest.raises(ContractError):
        on_list("w", Payment.country)


def test_a_flow_that_asks_for_a_list_needs_its_feature():
    with pytest.raises(HeptadError, match="computes no feature"):
        fraud.flow.read(FLOW, "mine.yaml")


def codes(made):
    return {e.public["row_key"]: list(e.public["reasons"]) for e in made}


def in_sql(platform):
    """The payments that the rule, written out as SQL over what is stored, finds."""
    rule = resolve(from_json({"listed": [{"column": "merchant"}, "watched"]}), {"merchant": "text"})
    reads = platform.reads
    told = reads.queries.arrow(
        f"WITH lists AS ({relation(reads.stored(Listing).relation)}) "
        f"SELECT r.id FROM {reads.stored(Payment).relation} r WHERE {sql_text(rule, 'r')}"
    )
    return set(told.column("id").to_pylist())


@pytest.mark.slow
def test_a_decision_rests_on_the_list_as_known_and_replays_so(app):
    rows = fraud.demo(7)
    payments = sorted(rows[Payment], key=lambda r: str(r["event_time"]))
    merchant = max(
        {p["merchant"] for p in payments}, key=lambda m: sum(p["merchant"] == m for p in payments)
    )
    mine = [p for p in payments if p["merchant"] == merchant]
    assert len(mine) >= 4
    instants = [parse_instant(str(p["event_time"])) for p in mine]
    start, end = instants[1], instants[3]
    given = entries(
        [{"id": merchant}],
        name="watched",
        kind="watch",
        of="Merchant",
        column="id",
        since=start,
        until=end,
    )
    with project({**rows, Listing: given}, apps=[app]) as platform:
        made = platform.decide("watching")
        found = codes(made)
        for payment, at in zip(mine, instants, strict=True):
            assert (found[payment["id"]] == ["WATCHED"]) == (start <= at < end), (at, start, end)
        assert in_sql(platform) == {key for key, why in found.items() if why == ["WATCHED"]}
        others = [p["id"] for p in payments if p["merchant"] != merchant]
        assert not any("WATCHED" in found[key] for key in others)
        # Whoever puts all merchants on the list today changes nothing that was decided.
        every = sorted({p["merchant"] for p in payments})
        more = entries(
            [{"id": m} for m in every],
            name="watched",
            kind="watch",
            of="Merchant",
            column="id",
            since=0,
            until=LATEST,
        )
        for entry in more:
            entry["event_time"] = format_instant(instants[0] - day)
        report = platform.store("Listing", more, source="posted")
        assert len(report.accepted) == len(every)
        assert platform.replay().identical
        again = platform.decide("watching")
        assert codes(again) == found
        folder = platform.path
        platform.close()
        with Platform.open(folder, apps=[app]) as later:
            assert later.replay().identical


TIMES = st.integers(0, 6)
GIVEN = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("mn"), TIMES, TIMES, TIMES, st.booleans()),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(given=GIVEN)
def test_in_sql_a_list_says_what_the_feature_says(given):
    """Each version of an entry is given as (entry, merchant, begins, ends, known, taken back)."""
    begins = {(m, e): n for n, (e, m) in enumerate((e, m) for e in "abc" for m in "mn")}
    rows = [
        {"id": f"{e}{m}", "list": "watched", "merchant": m, "event_time": begins[m, e] % 7,
         "until": ends, "known_time": known, "_deleted": gone, "_load": n, "_line": 1}
        for n, (e, m, _, ends, known, gone) in enumerate(given)
    ]  # fmt: skip
    rows.sort(key=lambda r: (r["known_time"], r["_load"]))
    with duckdb.connect() as duck:
        others = ", ".join(f"{f.name} VARCHAR" for f in REFS.values() if f.name != "merchant")
        duck.execute(
            "CREATE TABLE stored (id VARCHAR, list VARCHAR, merchant VARCHAR, event_time BIGINT, "
            f"until BIGINT, known_time BIGINT, _deleted BOOL, _load INT, _line INT, {others})"
        )
        for r in rows:
            duck.execute(
                "INSERT INTO stored BY NAME SELECT ? AS id, ? AS list, ? AS merchant, "
                "? AS event_time, ? AS until, "
                "? AS known_time, ? AS _deleted, ? AS _load, ? AS _line",
                [r[name] for name in ("id", "list", "merchant", "event_time", "until", "known_time",
                                      "_deleted", "_load", "_line")],
            )  # fmt: skip
        duck.execute(f"CREATE VIEW lists AS {relation('stored')}")
        rule = resolve(
            from_json({"listed": [{"column": "merchant"}, "watched"]}), {"merchant": "text"}
        )
        found = duck.execute(
            f"SELECT merchant, event_time, known_time, {sql_text(rule)} FROM "
            "(SELECT m AS merchant, t AS event_time, k AS known_time FROM unnest(['m', 'n']) a(m), "
            "range(8) b(t), range(8) c(k))"
        ).fetchall()
    for merchant, t, k, listed in found:
        standing = {}
        for r in rows:
            if r["known_time"] <= k and r["merchant"] == merchant:
                standing[r["id"]] = r
        live = [r for r in standing.values() if not r["_deleted"] and r["event_time"] <= t]
        last = max(live, key=lambda r: r["event_time"], default=None)
        assert listed == (last is not None and last["until"] > t), (merchant, t, k, rows)
