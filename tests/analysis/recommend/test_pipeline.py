# SPDX-License-Identifier: Apache-2.0
"""The pipeline: no recall, ranker, fallback or draw shows what is not allowed; the index finds it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.recommend.index import Index
from heptad.analysis.recommend.pipeline import Pipeline
from heptad.analysis.recommend.reranking import HOW, Reranking
from heptad.analysis.recommend.signals import empty
from heptad.standards.errors import ContractError

N = 40


def broken(*_):
    raise RuntimeError("the model is gone")


def wild(seed):
    """A recall that answers anything: what is not allowed, what is not there, things twice."""
    return lambda _p, _a, n: np.random.default_rng(seed).integers(-5, N + 5, n)


class Ranked:
    def __init__(self, seed, how):
        self.random, self.how = np.random.default_rng(seed), how

    def score(self, _people, items):
        if self.how == "broken":
            broken()
        scores = self.random.normal(size=items.shape)
        if self.how == "nan":
            scores[0, 0] = np.nan
        return scores[:, 1:] if self.how == "short" else scores


@settings(max_examples=60)
@given(
    st.integers(0, 10**6), st.floats(0, 1), st.sampled_from(["", "broken", "nan", "short", "none"]),
    st.booleans(), st.booleans(), st.floats(0, 1), st.integers(1, 15),
    st.sampled_from(HOW), st.floats(0, 1), st.dictionaries(st.integers(0, 3), st.integers(0, 3)),
)  # fmt: skip
def test_nothing_that_is_not_allowed_is_ever_shown(
    seed, share, how, late, gone, explore, n, varied, weight, quotas
):
    random = np.random.default_rng(seed)
    kinds = (random.random((N, 3)) < 0.4).astype(float)
    allowed = random.random(N) < share
    ticks = itertools.count()
    plan = Pipeline(
        broken if gone else wild(seed),
        None if how == "none" else Ranked(seed, how),
        kinds,
        random.permutation(N),
        rerank=Reranking(varied, weight, 1 - weight, quotas, random.random(N), np.full(3, 1 / 3)),
        wide=30, narrow=20, explore=explore, budget_s=0.1,
        clock=(lambda: float(next(ticks))) if late else (lambda: 0.0),
    )  # fmt: skip
    slate = plan.recommend(empty(N), allowed, n, seed=seed)
    assert allowed[slate.items].all()
    assert len(slate.items) == len(slate.scores) == len(slate.propensity)
    assert ((slate.propensity > 0) & (slate.propensity <= 1)).all()
    assert [s.name for s in slate.trace] == ["allowed", "recall", "rank", "re-rank"]
    assert slate.trace[0].kept == allowed.sum()
    for kind, most in quotas.items():
        assert kind == 3 or kinds[slate.items, kind].sum() <= most
    if allowed.any() and gone:
        assert len(slate.items) == min(n, allowed.sum(), 20) or quotas
        assert slate.fallback == "RuntimeError"
    if late and how != "none" and allowed.any():
        assert slate.fallback


def test_no_item_stands_twice():
    plan = Pipeline(wild(1), None, np.ones((N, 1)), np.arange(N), wide=200, narrow=N)
    found = plan.recommend(empty(N), np.ones(N, bool), 20).items
    assert len(set(found.tolist())) == len(found) == 20


def test_one_person_and_one_catalogue():
    plan = Pipeline(wild(0), None, np.ones((N, 1)), np.arange(N))
    for people, allowed in ((empty(N, 2), np.ones(N, bool)), (empty(N), np.ones(N - 1, bool))):
        with pytest.raises(ContractError):
            plan.recommend(people, allowed)


def clustered(n=6000, d=16, seed=0):
    random = np.random.default_rng(seed)
    return (
        random.normal(size=(60, d))[random.integers(0, 60, n)] + random.normal(0, 0.4, (n, d))
    ).astype(np.float32)


def test_the_exact_index_is_a_sort():
    vectors = clustered(500)
    query = vectors[3]
    codes, products = Index().fit(vectors).search(query, 20)
    assert codes.tolist() == np.argsort(-(vectors @ query), kind="stable")[:20].tolist()
    assert np.allclose(products, (vectors @ query)[codes], rtol=1e-5)


def test_cells_find_nearly_all_and_all_of_them_everything():
    vectors = clustered()
    near, whole = Index(cells=60, probes=12).fit(vectors), Index(cells=60, probes=60).fit(vectors)
    found = []
    for query in vectors[::300]:
        wanted = set(np.argsort(-(vectors @ query))[:50].tolist())
        assert set(whole.search(query, 50)[0].tolist()) == wanted
        found.append(len(wanted & set(near.search(query, 50)[0].tolist())) / 50)
    assert np.mean(found) > 0.9


def test_a_narrow_rule_never_empties_a_list():
    vectors = clustered()
    allowed = np.zeros(len(vectors), bool)
    allowed[[7, 4000, 5999]] = True
    found, _ = Index(cells=60, probes=1).fit(vectors).search(vectors[0], 10, allowed=allowed)
    assert sorted(found.tolist()) == [7, 4000, 5999]


def test_a_saved_index_is_swapped_whole_and_the_old_one_stays_readable(tmp_path):
    vectors, path = clustered(800), tmp_path / "films"
    Index(cells=10, probes=10).fit(vectors).save(path)
    old = Index.load(path, probes=10)
    Index(cells=10, probes=10).fit(-vectors).save(path)
    new = Index.load(path, probes=10)
    query = vectors[5]
    assert old.search(query, 5)[0].tolist() == np.argsort(-(vectors @ query))[:5].tolist()
    assert new.search(query, 5)[0].tolist() == np.argsort(vectors @ query)[:5].tolist()
    assert len([p for p in tmp_path.iterdir() if not p.is_symlink()]) == 1
    with pytest.raises(ContractError):
        Index.load(tmp_path / "none")


def test_a_quota_passes_over_what_is_too_many_and_says_how_many():
    kinds = np.zeros((N, 2))
    kinds[:10, 0] = 1
    plan = Pipeline(
        lambda *_: np.arange(N), None, kinds, np.arange(N), wide=N, narrow=N, explore=1.0,
        rerank=Reranking(variety=0.0, quotas={0: 2}),
    )  # fmt: skip
    slate = plan.recommend(empty(N), np.ones(N, bool), 5)
    assert slate.items[:4].tolist() == [0, 1, 10, 11]
    assert slate.passed == 8
    assert kinds[slate.items, 0].sum() <= 2


def test_value_and_the_own_mix_order_a_list():
    values = np.arange(N, dtype=float)
    kinds = np.eye(2)[np.arange(N) % 2]

    def first(how):
        plan = Pipeline(
            lambda *_: np.arange(N), None, kinds, np.arange(N), wide=N, narrow=N, rerank=how
        )
        return plan.recommend(empty(N), np.ones(N, bool), 6).items.tolist()

    assert first(Reranking(variety=0.0)) == [0, 1, 2, 3, 4, 5]
    assert first(Reranking(variety=0.0, value=1.0, values=values))[0] == N - 1
    assert first(Reranking("calibrated", 0.9, own=np.array([1.0, 0]))) == [0, 2, 4, 6, 8, 10]
    assert first(Reranking("dpp", 0.9))[:2] == [0, 1]
    with pytest.raises(ContractError, match="varied"):
        Reranking("shuffled")
