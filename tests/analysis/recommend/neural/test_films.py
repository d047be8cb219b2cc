# SPDX-License-Identifier: Apache-2.0
"""Golden pairs of how paper 001 turns fields into numbers."""

from __future__ import annotations

import numpy as np
import pytest

from heptad.analysis.recommend.neural.films import PAD, Vocabulary, age, gender, genres, words
from heptad.analysis.recommend.neural.words import word_vectors
from heptad.standards.errors import ContractError

EIGHTEEN = (
    "Action|Adventure|Animation|Children's|Comedy|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|"
    "Musical|Mystery|Romance|Sci-Fi|Thriller|War|Western"
)


@pytest.mark.parametrize(("given", "wanted"), [("F", 0), ("M", 1)])
def test_gender(given, wanted):
    assert gender([given]).tolist() == [wanted]


@pytest.mark.parametrize(
    ("given", "wanted"), [(1, 0), (18, 1), (25, 2), (35, 3), (45, 4), (50, 5), (56, 6)]
)
def test_age(given, wanted):
    assert age([given]).tolist() == [wanted]


def test_what_is_not_a_level_is_refused_by_value():
    with pytest.raises(ContractError, match="17"):
        age([25, 17])
    with pytest.raises(ContractError, match="x"):
        gender(["x"])


def test_genres_become_lists_of_one_length():
    rows = [genres(EIGHTEEN), genres("Drama"), genres("Comedy|Action"), genres("")]
    vocabulary = Vocabulary.fit(rows)
    assert len(vocabulary) == 19
    assert vocabulary.number[PAD] == 0
    codes = vocabulary.codes(rows)
    assert codes.shape == (4, 18)
    assert codes[1].tolist() == [8] + [0] * 17
    assert codes[2].tolist() == [5, 1] + [0] * 16
    assert not codes[3].any()


def test_titles_become_lists_of_one_length():
    titles = ["Toy Story (1995)", "Bug's Life, A (1998)", "8½ (1963)", "天空の城ラピュタ", ""]
    rows = [words(title) for title in titles]
    assert rows[1] == ["bug's", "life", "a", "1998"]
    vocabulary = Vocabulary.fit(rows[:3])
    codes = vocabulary.codes(rows)
    assert codes.shape == (5, 4)
    assert codes[0, 3] == 0
    # No training row had a word of the fourth: it says nothing rather than something else.
    assert not codes[3:].any()
    assert len(set(vocabulary.number.values())) == len(vocabulary)


def test_words_that_stand_beside_the_same_words_come_close():
    rng = np.random.default_rng(0)
    # Words 1 and 2 stand with 5 … 9, words 3 and 4 with 10 … 14.
    far = rng.random(300) < 0.5
    first = rng.integers(1, 3, 300) + 2 * far
    titles = np.column_stack([first, rng.integers(5, 10, (300, 2)) + 5 * far[:, None]])
    vectors = word_vectors(titles, 15, 8, epochs=30)
    near = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12)
    assert near[5:10].mean(0) @ near[5:10].mean(0) > near[5:10].mean(0) @ near[10:15].mean(0) + 0.5
    assert near[1] @ near[2] > near[1] @ near[3]
    assert not vectors[0].any()
    assert vectors.std() == pytest.approx(0.1, rel=0.1)
