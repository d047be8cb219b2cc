# SPDX-License-Identifier: Apache-2.0
"""Word vectors from a bag of words: each word of a title is guessed from the mean of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from heptad.analysis.recommend.epochs import Course
from heptad.analysis.recommend.neural.training import Schedule, train

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heptad.analysis.arrays import Codes


class _Bag(torch.nn.Module):
    def __init__(self, vocabulary: int, size: int) -> None:
        super().__init__()
        self.of_word = torch.nn.Embedding(vocabulary, size, padding_idx=0)
        with torch.no_grad():
            self.of_word.weight *= 0.1
        self.guess = torch.nn.Linear(size, vocabulary)

    def forward(self, titles: torch.Tensor) -> torch.Tensor:
        """Mean loss of the words of titles (n, l), each guessed from the title's other words."""
        vectors, there = self.of_word(titles), titles > 0
        others = there.sum(1, keepdim=True) - 1
        context = (vectors.sum(1, keepdim=True) - vectors) / others.clamp(min=1)[..., None]
        asked = there & (others > 0)
        if not bool(asked.any()):
            return self.of_word.weight.sum() * 0
        return torch.nn.functional.cross_entropy(self.guess(context[asked]), titles[asked])


def word_vectors(
    titles: Codes, vocabulary: int, size: int, *, epochs: int = 30, seed: int = 0
) -> NDArray[np.float32]:
    """Pre-train word vectors on titles by the continuous bag of words, with the whole softmax.

    Args:
        titles: (n, l) word numbers, 0 is padding; of training items only.
        vocabulary: number of words, padding included.
        size: length of a vector.
        epochs: passes over the titles.
        seed: of start and order.

    Returns:
        (vocabulary, size); the row of padding is 0. Rows have a standard deviation of 0.1, so
        that the layers behind meet the same scale with and without pre-training.

    Source: Mikolov et al., Efficient estimation of word representations in vector space, 2013,
    section 3.1.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Bag(vocabulary, size)
    rows = torch.from_numpy(titles)
    train(
        net,
        len(titles),
        lambda batch: net(rows[batch]),
        course=Course(epochs, seed),
        schedule=Schedule(batch=128, learning_rate=5e-3),
    )
    vectors = net.of_word.weight.detach()
    vectors = vectors - vectors[1:].mean(0)
    vectors = 0.1 * vectors / vectors[1:].std().clamp(min=1e-6)
    vectors[0] = 0
    return vectors.numpy()
