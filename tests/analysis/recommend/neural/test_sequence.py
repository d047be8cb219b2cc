# SPDX-License-Identifier: Apache-2.0
"""The sequence model: NumPy reads what torch trained, order counts, a kill changes nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from heptad.analysis.recommend.interactions import Interactions
from heptad.analysis.recommend.neural.sequence import SequenceModel, windows
from heptad.analysis.recommend.neural.training import Schedule
from heptad.analysis.recommend.ordered import Ordered
from heptad.analysis.recommend.ranker import Ranker
from heptad.analysis.recommend.sequence import padded
from heptad.analysis.recommend.signals import people_of
from heptad.analysis.recommend.storing import from_bytes, to_bytes
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from pathlib import Path

FAST = Schedule(batch=32, learning_rate=1e-2)


def chains(users: int = 120, items: int = 12, steps: int = 6) -> Interactions:
    """Sequences in which item i is always followed by i + 1, from any start."""
    start = np.random.default_rng(0).integers(0, items, users)
    codes = (start[:, None] + np.arange(steps)) % items
    return Interactions.of(np.repeat(np.arange(users), steps), codes.ravel(), n_items=items)


@pytest.fixture(scope="module")
def model() -> SequenceModel:
    """A net of two blocks and two heads that learned the chains."""
    settings = SequenceModel(16, 5, blocks=2, heads=2, dropout=0.0, epochs=12, schedule=FAST)
    return settings.fit(chains())


def test_numpy_reads_what_torch_trained(model: SequenceModel) -> None:
    held = padded([[], [3], [1, 2, 3], [4, 5, 6, 7, 8, 9]], 6)
    assert np.allclose(model.fitted.users(held), model.users(held), atol=1e-5)
    assert not model.fitted.users(held)[0].any()


def test_what_comes_next_depends_on_the_order(model: SequenceModel) -> None:
    found = model.fitted.scores(padded([[1, 2, 3], [2, 1, 3], [8, 9, 10]], 5))
    assert found[[0, 2]].argmax(axis=1).tolist() == [4, 11]
    assert not np.allclose(found[0], found[1], atol=1e-3)
    some = model.fitted.some(padded([[1, 2, 3]], 5), np.array([[4, -1]]))
    assert some[0, 1] == 0
    assert np.isclose(some[0, 0], model.fitted.scores(padded([[1, 2, 3]], 5))[0, 4])


def test_drawn_negatives_learn_the_same_chains() -> None:
    one = SequenceModel(16, 5, dropout=0.0, negatives=6, epochs=25, schedule=FAST).fit(chains())
    assert one.fitted.scores(padded([[1, 2, 3]], 5)).argmax() == 4


def test_a_training_goes_on_after_a_kill(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(epoch: object) -> None:
        if epoch.number == 2:  # type: ignore[attr-defined]
            raise Killed

    made = SequenceModel(8, 5, epochs=4, schedule=FAST, negatives=4)
    with pytest.raises(Killed):
        made.fit(chains(), keep=tmp_path / "kept.npz", progress=kill)
    again = SequenceModel(8, 5, epochs=4, schedule=FAST, negatives=4)
    again.fit(chains(), keep=tmp_path / "kept.npz")
    whole = SequenceModel(8, 5, epochs=4, schedule=FAST, negatives=4).fit(chains())
    for name, value in whole.fitted.arrays.items():
        assert np.array_equal(value, again.fitted.arrays[name])


def test_long_sequences_are_cut_into_windows_that_lose_no_step() -> None:
    rows = windows(Interactions.of(np.zeros(7, int), np.arange(7)), 3)
    steps = {(a, b) for row in rows for a, b in pairwise(row) if a >= 0}
    assert steps == {(i, i + 1) for i in range(6)}
    with pytest.raises(ContractError, match="two items"):
        SequenceModel().fit(Interactions.of([0, 1], [0, 1]))


def test_recall_reads_the_order_of_a_history_and_is_kept() -> None:
    """With the sequence model, people of the same items in another order are given others."""
    model = Ranker(n=5, trees=0, sequence=30).fit(chains())
    again, _ = from_bytes(to_bytes(model, {}))
    both = Interactions.of([0, 0, 0, 1, 1, 1], [1, 2, 3, 3, 2, 1], n_items=12)
    people = people_of(both, np.array([0, 1]), {})
    ordered = model.signals_.models_["sequence"]
    assert ordered.sequences(people.recent)[:, -3:].tolist() == [[1, 2, 3], [3, 2, 1]]
    found = model.recall(people)
    assert (again.recall(people).items == found.items).all()
    first, other = ordered.scores(people.recent).argmax(axis=1)
    assert first == 4 != other
    assert found.sources == ("popularity", "ease", "factors", "neighbours", "rules", "sequence")


def test_a_net_of_several_heads_is_kept_with_them(model: SequenceModel) -> None:
    ranker = Ranker(n=5, trees=0, sequence=1).fit(chains())
    ranker.signals_.models_["sequence"] = Ordered(model.fitted)
    again, _ = from_bytes(to_bytes(ranker, {}))
    recent = people_of(chains(), np.array([0, 1]), {}).recent
    kept, net = (r.signals_.models_["sequence"] for r in (again, ranker))
    assert kept.model.heads == 2
    assert (kept.scores(recent) == net.scores(recent)).all()
