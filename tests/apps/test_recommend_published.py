# SPDX-License-Identifier: Apache-2.0
"""Published sets become projects: every form of MovieLens, sequences, FAR-Trans."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from heptad.apps.recommend.published import READS, far_trans, movielens, sequences, write_project
from heptad.runtime import Platform
from heptad.standards.errors import InputError

TOY = {"id": "1", "event_time": "1970-01-01T00:00:00Z", "catalogue": "films", "title": "Toy Story",
       "categories": "Animation|Comedy", "number": "1995"}  # fmt: skip
ACT = {
    "id": "r1",
    "event_time": "2001-01-01T00:00:00+00:00",
    "customer": "7",
    "item": "1",
    "action": "rate",
}
FORMS = {
    "dat": {"movies.dat": "1::Toy Story (1995)::Animation|Comedy\n",
            "ratings.dat": "7::1::5::978307200\n7::1::3::978307201\n"},
    "csv": {"movies.csv": "movieId,title,genres\n1,Toy Story (1995),Animation|Comedy\n",
            "ratings.csv": "userId,movieId,rating,timestamp\n7,1,4.5,978307200\n7,1,0.5,978307200\n"},
    "u.data": {"u.genre": "unknown|0\nAnimation|1\nComedy|2\n", "u.data": "7\t1\t4\t978307200\n",
               "u.item": "1|Toy Story (1995)|01-Jan-1995||http://x|0|1|1\n"},
    "dslabs": {"movielens.csv": '"movieId","title","year","genres","userId","rating","timestamp"\n'
                                '1,"Toy Story",1995,"Animation|Comedy",7,4,978307200\n'},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_movielens_gives_the_same_rows(form, tmp_path):
    for name, text in FORMS[form].items():
        (tmp_path / name).write_text(text, encoding="latin-1")
    found = movielens(tmp_path)
    assert list(found.items) == [TOY]
    assert list(found.acts) == [ACT]


def test_nothing_there_and_a_broken_line_are_told(tmp_path):
    with pytest.raises(InputError, match="No MovieLens"):
        movielens(tmp_path)
    for name, text in FORMS["dat"].items():
        (tmp_path / name).write_text(text.replace("::5::", "::five::"), encoding="latin-1")
    with pytest.raises(InputError, match="rating"):
        list(movielens(tmp_path).acts)


def test_sequences_keep_their_order_in_time(tmp_path):
    (tmp_path / "s.txt").write_text("1 5 4 5\n2 9\n", encoding="utf-8")
    found = sequences(tmp_path / "s.txt")
    acts = sorted((a for a in found.acts if a["customer"] == "1"), key=lambda a: a["event_time"])
    assert [a["item"] for a in acts] == ["5", "4", "5"]
    assert [i["id"] for i in found.items] == ["5", "4", "9"]


def test_far_trans_gives_profiles_as_answered_and_no_others(tmp_path):
    (tmp_path / "asset_information.csv").write_text(
        "ISIN,assetName,assetShortName,assetCategory,assetSubCategory,marketID,sector,industry,timestamp\n"
        'GR1,"Fund, one",F,MTF,Balanced,A,,,2018-01-02\nGR2,Two,T,Stock,,A,Energy,,2018-01-02\n',
        encoding="utf-8",
    )
    (tmp_path / "limit_prices.csv").write_text(
        "ISIN,minDate,maxDate,priceMinDate,priceMaxDate,profitability\nGR1,a,b,1,2,0.61051\n",
        encoding="utf-8",
    )
    with gzip.open(tmp_path / "customer_information.csv.gz", "wt", encoding="utf-8") as handle:
        handle.write("customerID,customerType,riskLevel,investmentCapacity,lastQuestionnaireDate,timestamp\n"
                     "A,Mass,Income,x,2015-04-27,2018-01-02\nA,Mass,Income,x,2015-04-27,2019-01-02\n"
                     "B,Mass,Predicted_Balanced,x,2015-04-27,2018-01-02\n")  # fmt: skip
    found = far_trans(tmp_path)
    items = {row["id"]: row for row in found.items}
    assert (items["GR1"]["title"], items["GR1"]["risk"], items["GR1"]["value"]) == (
        "Fund, one",
        "R3",
        "0.100000",
    )
    assert items["GR2"]["categories"] == "Stock|Energy"
    assert [(a["customer"], a["profile"]) for a in found.answers] == [("A", "R2")]
    assert list(found.acts) == []


def test_what_is_written_is_a_project_that_loads(tmp_path):
    for name, text in FORMS["csv"].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    folder = tmp_path / "project"
    counts = write_project(movielens(tmp_path), folder, agreed=True)
    assert counts == {"Item": 1, "Interaction": 1, "Questionnaire": 0, "Consent": 1}
    with Platform.open(folder) as platform:
        assert sum(report.accepted for report in platform.load()) == 3
    with pytest.raises(InputError, match="project already"):
        write_project(movielens(tmp_path), folder)


@pytest.mark.slow
def test_the_sets_of_the_data_folder_are_read_whole():
    data = Path(os.environ.get("HEPTAD_DATA") or "absent")
    if not (data / "far-trans").exists():
        pytest.skip("set HEPTAD_DATA to read the published sets")
    found = READS["far-trans"](data / "far-trans")
    assert len(list(found.items)) == 806
    beauty = sequences(data / "amazon-sequences" / "Beauty.txt")
    assert len(list(beauty.acts)) == 198_502
    assert len(list(beauty.items)) == 12_101
