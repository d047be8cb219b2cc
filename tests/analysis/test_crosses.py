# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np
import pytest

from heptad.analysis.evaluation import auc
from heptad.analysis.scorecard import Scorecard
from heptad.standards.errors import ContractError
from tests.analysis.cases import rows, take

N = 6000


def crossed_world(
    n: int = N, seed: int = 0, pull: float = 1.6
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two columns that tell something only together, one alone, a code of many levels, noise."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=n), random.normal(size=n)
    plain, noise = random.normal(size=n), random.normal(size=n)
    bank = np.array([f"bank {i:03d}" for i in random.integers(0, 150, n)], dtype=object)
    trust = dict(zip(sorted(set(bank)), 1.5 * random.normal(size=len(set(bank))), strict=True))
    z = -1 + pull * a * b + 0.7 * plain + np.array([trust[name] for name in bank]) * (a > 0)
    y = (random.random(n) < 1 / (1 + np.exp(-z))).astype(int)
    a[random.random(n) < 0.05] = np.nan
    bank[random.random(n) < 0.05] = None
    plain[random.random(n) < 0.05] = -999
    table = {"a": a, "b": b, "plain": plain, "bank": bank, "noise": noise}
    return table, y


@pytest.fixture(scope="module")
def card() -> Scorecard:
    table, y = crossed_world()
    return Scorecard(crosses=6, special={"plain": [-999]}).fit(table, y)


@pytest.fixture(scope="module")
def strange(card: Scorecard) -> dict[str, np.ndarray]:
    """Rows with every kind of value: all cuts, their neighbours, codes, unseen levels."""
    table, _ = crossed_world(800, seed=5)
    random = np.random.default_rng(6)
    for name in ("a", "b", "plain"):
        cuts = [*(card.bins_[name].edges or ())]
        cuts += [*(card.grids_[name].edges or ())] if name in card.grids_ else []
        odd = [np.nan, np.inf, -np.inf, -999.0, -0.0, *cuts, *np.nextafter(cuts, -np.inf)]
        table[name][random.integers(0, 800, 300)] = np.array(odd)[random.integers(0, len(odd), 300)]
    odd_levels = np.array([None, "", "never seen", "bank 000 "], dtype=object)
    table["bank"][random.integers(0, 800, 200)] = odd_levels[random.integers(0, 4, 200)]
    return table


def test_the_planted_pair_is_found_and_the_noise_is_not(card) -> None:
    assert card.crosses_[0].columns == ("a", "b")
    assert ("a", "bank") in [cross.columns for cross in card.crosses_]
    assert not any("noise" in cross.columns for cross in card.crosses_)
    fresh, y = crossed_world(2000, seed=9)
    table, outcomes = crossed_world()
    plain = Scorecard(special={"plain": [-999]}).fit(table, outcomes)
    assert card.score(fresh, y) > plain.score(fresh, y) + 0.08


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_where_columns_only_add_up(seed) -> None:
    random = np.random.default_rng(seed)
    table = {f"x{i}": random.normal(size=1500) for i in range(8)}
    table["code"] = np.array([f"c{i}" for i in random.integers(0, 300, 1500)], dtype=object)
    z = table["x0"] - table["x1"] - 1
    y = (random.random(1500) < 1 / (1 + np.exp(-z))).astype(int)
    assert len(Scorecard(crosses=20).fit(table, y).crosses_) <= 1


def test_row_batch_and_saved_card_agree_bit_for_bit(card, strange) -> None:
    again = Scorecard.from_json(card.to_json())
    assert again.to_json() == card.to_json()
    totals = card.totals(strange)
    assert again.totals(strange).tolist() == totals.tolist()
    for i, row in enumerate(rows(strange)):
        points = card.points(row)
        assert card.total(row) == again.total(row) == points.total == totals[i]
        assert points.total == card.base_ + sum(points.points.values())


def test_sql_agrees_on_every_row(card, strange) -> None:
    import duckdb
    import pyarrow as pa

    arrow = pa.table(
        {
            name: pa.array(values.tolist(), pa.string() if values.dtype == object else pa.float64())
            for name, values in strange.items()
        }
    )
    with duckdb.connect() as connection:
        connection.register("strange", arrow)
        found = connection.sql(
            f"SELECT {card.to_sql()}, {card.to_sql('probability')} FROM strange"
        ).fetchall()
    assert [total for total, _ in found] == card.totals(strange).tolist()
    assert [chance for _, chance in found] == card.predict_proba(strange)[:, 1].tolist()


def test_nan_in_a_parquet_file_scores_as_missing(card, tmp_path) -> None:
    """The file's statistics leave NaN out, and the engine must not conclude that there is none."""
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, _ = crossed_world(2000, seed=7)
    pq.write_table(pa.table({k: pa.array(v) for k, v in table.items()}), tmp_path / "rows.parquet")
    with duckdb.connect() as connection:
        found = connection.sql(f"SELECT {card.to_sql()} FROM '{tmp_path}/rows.parquet'").fetchall()
    assert np.isnan(table["a"]).any()
    assert [total for (total,) in found] == card.totals(table).tolist()


def test_the_dialect_of_spark_escapes_what_it_must(card) -> None:
    text = card.to_sql("probability", "spark")
    assert "`a`" in text
    assert "element_at(array(" in text
    assert '"' not in text
    x = np.array(["back\\slash", "it's"] * 60, dtype=object)
    small = Scorecard(folds=0).fit({"tick`": x}, np.array([1, 0] * 50 + [0, 1] * 10))
    assert "`tick```" in small.to_sql(dialect="spark")
    assert "'back\\\\slash'" in small.to_sql(dialect="spark")
    assert "'it\\'s'" in small.to_sql(dialect="spark")
    with pytest.raises(ContractError, match="dialect"):
        card.to_sql(dialect="mysql")


@pytest.mark.parametrize("declared", ["up", "down"])
def test_a_declared_direction_holds_through_every_pair(declared) -> None:
    """However the other columns stand, more of a declared column never turns its effect round."""
    table, y = crossed_world()
    table = {name: table[name] for name in ("a", "b", "plain")}
    card = Scorecard(crosses=6, monotone={"a": declared}).fit(table, y)
    assert any("a" in cross.columns for cross in card.crosses_)
    ladder = np.linspace(-4, 4, 60)
    for b, plain in itertools.product([-2.0, -0.3, 0.3, 2.0, np.nan], [-1.0, 1.0]):
        some = {"a": ladder, "b": np.full(60, b), "plain": np.full(60, plain)}
        steps = np.diff(card.totals(some))
        assert (steps <= 0).all() if declared == "up" else (steps >= 0).all()


def test_what_a_pair_costs_is_shared_without_remainder(card) -> None:
    table, _ = crossed_world(40, seed=3)
    for row in rows(table):
        found = card.points(row)
        best = sum(part.points[part.best] for part in card.parts_.values())
        for cross in card.crosses_:
            one, two = (card.grids_[name].regular for name in cross.columns)
            best += max(max(line[:two]) for line in cross.points[:one])
        lost = card.base_ + best - found.total
        told = card.reasons(row, n=99)
        assert all(loss.lost > 0 for loss in told)
        assert {loss.column for loss in told} <= {*table}
        # Columns that gain against their best bins are not told, so the told sum is at least it.
        assert sum(loss.lost for loss in told) >= lost


def test_a_code_of_many_levels_is_ranked_without_the_rows_own_fold() -> None:
    """Were it not, a code that names each row would look like the outcome itself."""
    random = np.random.default_rng(1)
    y = (random.random(2000) < 0.3).astype(int)
    table = {
        "one each": np.array([f"id {i // 2}" for i in range(2000)], dtype=object),
        "other": random.normal(size=2000),
        "third": np.array([f"k{i}" for i in random.integers(0, 400, 2000)], dtype=object),
    }
    half = np.arange(2000) % 2 == 0
    card = Scorecard(crosses=10).fit(take(table, half), y[half])
    assert card.crosses_ == ()
    assert abs(auc(y[~half], -card.totals(take(table, ~half)).astype(float)) - 0.5) < 0.06


def test_pairs_need_folds() -> None:
    with pytest.raises(ContractError, match="crosses"):
        Scorecard(crosses=3, folds=0).fit({"x": np.arange(40.0)}, np.arange(40) % 2)


def test_the_crossed_table_names_every_cell(card) -> None:
    listed = card.crossed()
    assert len(listed) == sum(len(c.points) * len(c.points[0]) for c in card.crosses_)
    assert listed[0].keys() == {"columns", "first", "second", "points"}


SIZES = [
    pytest.param(100_000, marks=pytest.mark.slow),
    pytest.param(1_000_000, marks=pytest.mark.soak),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("n", SIZES)
def test_rows_score_alike_one_by_one_in_bulk_from_json_and_in_sql(card, n) -> None:
    import duckdb
    import pyarrow as pa

    table, _ = crossed_world(n, seed=11)
    random = np.random.default_rng(12)
    for name in ("a", "b", "plain"):
        cuts = [*(card.bins_[name].edges or ())]
        odd = np.array([np.nan, np.inf, -np.inf, -999.0, *cuts, *np.nextafter(cuts, -np.inf)])
        table[name][random.integers(0, n, n // 10)] = random.choice(odd, n // 10)
    totals = card.totals(table)
    assert (Scorecard.from_json(card.to_json()).totals(table) == totals).all()
    columns = [values.tolist() for values in table.values()]
    row = dict.fromkeys(table)
    for values, total in zip(zip(*columns, strict=True), totals.tolist(), strict=True):
        row.update(zip(table, values, strict=True))
        if card.total(row) != total:
            pytest.fail(f"{row} scores {card.total(row)} alone and {total} in bulk")
    arrow = pa.table(
        {
            name: pa.array(values, pa.string() if values.dtype == object else pa.float64())
            for name, values in table.items()
        }
        | {"ours": totals, "chance": card.predict_proba(table)[:, 1]}
    )
    with duckdb.connect() as connection:
        connection.register("many", arrow)
        found = connection.sql(
            f"SELECT count(*) FILTER (WHERE {card.to_sql()} = ours), "
            f"count(*) FILTER (WHERE {card.to_sql('probability')} = chance) FROM many"
        ).fetchall()
    assert found == [(n, n)]
