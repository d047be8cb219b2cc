# SPDX-License-Identifier: Apache-2.0
"""The text convolution of paper 001: embedding, windows, max-pooling, two tanh layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class TextCNN(torch.nn.Module):
    """s_i = cnn(W, X_i): the vector of a title.

    Attributes:
        vectors: (words, p) word vectors; row 0 is padding and stays 0.
        windows: one convolution per window size ws, each with its filters' W_c (p × ws) and b_c.
        inner: W_f1, b_f1.
        outer: W_f2, b_f2.
    """

    def __init__(
        self,
        vectors: NDArray[np.float32],
        windows: Sequence[int] = (2, 3, 4, 5),
        filters: int = 16,
        inner: int = 64,
        size: int = 64,
    ) -> None:
        super().__init__()
        p = vectors.shape[1]
        self.vectors = torch.nn.Embedding.from_pretrained(
            torch.as_tensor(vectors, dtype=torch.float32).clone(), freeze=False, padding_idx=0
        )
        self.windows = torch.nn.ModuleList(torch.nn.Conv1d(p, filters, ws) for ws in windows)
        self.longest = max(windows)
        self.inner = torch.nn.Linear(filters * len(windows), inner)
        self.outer = torch.nn.Linear(inner, size)

    def forward(self, titles: torch.Tensor) -> torch.Tensor:
        """Return s (n, k) of titles (n, l), numbers of words, 0 for padding."""
        return torch.tanh(self.outer(torch.tanh(self.inner(self.pooled(titles)))))

    def pooled(self, titles: torch.Tensor) -> torch.Tensor:
        """Return d_f (n, filters · windows): the greatest feature of each filter.

        A window counts if it begins on a word. Lists are first lengthened by the longest window
        less one, so that a word at the end begins one too; hence the length of a list's padding
        changes nothing. A title without a known word has d_f = 0.
        """
        longer = torch.nn.functional.pad(titles, (0, self.longest - 1))
        row, start = torch.nonzero(titles > 0, as_tuple=True)
        place = start[:, None] + torch.arange(self.longest)
        d = self.vectors(longer[row[:, None], place])
        parts = []
        for convolution in self.windows:
            c = torch.relu(windowed(convolution, d))
            each = c.new_zeros(*titles.shape, c.shape[1]).index_put((row, start), c)
            parts.append(each.amax(1))
        return torch.cat(parts, 1)


def windowed(convolution: torch.nn.Module, d: torch.Tensor) -> torch.Tensor:
    """Return W_c * D + b_c (m, filters) of windows d (m, longest, p), of which the first ws words count."""
    weight, bias = convolution.get_parameter("weight"), convolution.get_parameter("bias")
    ws = weight.shape[2]
    return d[:, :ws].flatten(1) @ weight.permute(2, 1, 0).flatten(0, 1) + bias
