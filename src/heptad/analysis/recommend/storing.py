# SPDX-License-Identifier: Apache-2.0
"""A ranker as bytes: equal rankers give equal bytes, and nothing in them is code."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from heptad.analysis.recommend.factors import Factors
from heptad.analysis.recommend.linear import Ease, Neighbours
from heptad.analysis.recommend.ordered import Ordered
from heptad.analysis.recommend.ranker import Ranker
from heptad.analysis.recommend.rules import Rules
from heptad.analysis.recommend.sequence import Attending
from heptad.analysis.recommend.signals import Items, Signals
from heptad.standards.errors import Corrupt

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 2


def to_bytes(ranker: Ranker, told: Mapping[str, Any]) -> bytes:
    """Write a fitted ranker, with plain data that its user needs beside it."""
    signals = ranker.signals_
    arrays: dict[str, Any] = {
        "lately": signals.lately_,
        "usual": signals.usual_,
        "categories": signals.items_.categories.astype(np.float32),
        "number": signals.items_.number,
        "factors": signals.models_["factors"].items_,
        **{f"lift {name}": table.astype(np.float32) for name, table in signals.lifts_.items()},
    }
    if "sequence" in signals.models_:
        net = signals.models_["sequence"].model
        arrays |= {f"sequence {name}": value for name, value in net.arrays.items()}
    for name in ("neighbours", "ease", "rules"):
        if name in signals.models_:
            weights = sparse.csr_matrix(signals.models_[name].weights_).astype(np.float32)
            arrays |= {f"{name} data": weights.data, f"{name} indices": weights.indices,
                       f"{name} indptr": weights.indptr}  # fmt: skip
    head = {
        "format": FORMAT,
        "told": dict(told),
        "ranker": {"n": ranker.n, "trees": ranker.trees, "kept": ranker.kept,
                   "fewest": ranker.fewest, "windows": ranker.windows, "seed": ranker.seed, "sequence": ranker.sequence},
        "signals": _plain(signals),
        "learned": ranker.learned_,
        "trees": None if ranker.booster_ is None else ranker.booster_.model_to_string(),
    }  # fmt: skip
    if "sequence" in signals.models_:
        head["heads"] = signals.models_["sequence"].model.heads
    text = json.dumps(head, sort_keys=True, ensure_ascii=False).encode()
    arrays["head"] = np.frombuffer(text, dtype=np.uint8)
    out = io.BytesIO()
    np.savez_compressed(out, **{name: arrays[name] for name in sorted(arrays)})
    return out.getvalue()


def _plain(signals: Signals) -> dict[str, Any]:
    names = ("ease_reg", "neighbours", "embedding_size", "kept", "sequence", "seed")
    return {name: getattr(signals, name) for name in names}


def from_bytes(data: bytes) -> tuple[Ranker, dict[str, Any]]:
    """Read a ranker and what was told beside it.

    Raises:
        Corrupt: if the bytes are none of this format.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = json.loads(arrays["head"].tobytes())
        if head["format"] != FORMAT:
            raise Corrupt("A recommender was written by another release.", got=head["format"])
        return _read(head, arrays), dict(head["told"])
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise Corrupt("A stored recommender cannot be read.", got=type(error).__name__) from error


def _read(head: Mapping[str, Any], arrays: Mapping[str, Any]) -> Ranker:
    settings = dict(head["ranker"])
    ranker = Ranker(**settings | {"windows": tuple(settings["windows"])})
    signals = Signals(**head["signals"])
    n = len(arrays["number"])
    signals.items_ = Items(arrays["categories"].astype(np.float64), arrays["number"])
    signals.lately_, signals.usual_ = arrays["lately"], arrays["usual"]
    signals.lifts_ = {
        name.removeprefix("lift "): table.astype(np.float64)
        for name, table in arrays.items() if name.startswith("lift ")
    }  # fmt: skip
    factors = Factors(signals.embedding_size)
    factors.items_ = arrays["factors"]
    signals.models_ = {"factors": factors}
    for name, model in (("neighbours", Neighbours()), ("ease", Ease()), ("rules", Rules())):
        if f"{name} data" in arrays:
            parts = tuple(arrays[f"{name} {part}"] for part in ("data", "indices", "indptr"))
            model.weights_ = sparse.csr_matrix(parts, shape=(n, n))
            signals.models_[name] = model
    net = {n.removeprefix("sequence "): a for n, a in arrays.items() if n.startswith("sequence ")}
    if net:
        signals.models_["sequence"] = Ordered(Attending(net, head.get("heads", 1)))
    ranker.signals_, ranker.learned_ = signals, head["learned"]
    if head["trees"] is not None:
        import lightgbm

        ranker.booster_ = lightgbm.Booster(model_str=head["trees"])
    return ranker
