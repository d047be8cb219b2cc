# SPDX-License-Identifier: Apache-2.0
"""What LensKit answers: implicit least squares, and lists of ten for everybody among all items.

Runs in an environment of its own: `python peer.py WORK IN OUT`.
"""

from __future__ import annotations

import sys
import time

import numpy as np


def fitted(held):
    """Fit and rank; CPU seconds of both, and the lists."""
    import pandas as pd
    from lenskit import batch
    from lenskit.als import ImplicitMFConfig, ImplicitMFScorer
    from lenskit.data import ItemListCollection, from_interactions_df
    from lenskit.metrics import NDCG, RunAnalysis
    from lenskit.pipeline import topn_pipeline
    from lenskit.training import TrainingOptions

    frame = pd.DataFrame({"user_id": held["users"], "item_id": held["items"]})
    data = from_interactions_df(frame)
    size, epochs = int(held["size"]), int(held["epochs"])
    config = ImplicitMFConfig(embedding_size=size, epochs=epochs)
    pipe = topn_pipeline(ImplicitMFScorer, config, n=10)
    start = time.process_time()
    pipe.train(data, TrainingOptions(rng=int(held["seed"])))
    fit = time.process_time() - start
    test = ItemListCollection.from_df(
        pd.DataFrame({"user_id": held["who"], "item_id": held["wanted"]}), ["user_id"]
    )
    start = time.process_time()
    found = batch.recommend(pipe, held["who"].tolist(), 10, n_jobs=1)
    analysis = RunAnalysis(NDCG(n=10)).measure(found, test)
    judged = time.process_time() - start
    table = found.to_df().sort_values(["user_id", "rank"], kind="stable")
    lists = np.full((len(held["who"]), 10), -1)
    place = np.searchsorted(held["who"], table["user_id"].to_numpy())
    lists[place, table["rank"].to_numpy() - 1] = table["item_id"].to_numpy()
    ndcg = float(analysis.list_metrics()["NDCG@10"].mean())
    return {"fit_s": fit, "judge_s": judged, "lists": lists, "ndcg": ndcg}


def main():
    """Read arrays, do the work, write arrays."""
    _work, source, to = sys.argv[1:]
    with np.load(source) as file:
        held = {name: file[name] for name in file.files}
    np.savez(to, **fitted(held))


if __name__ == "__main__":
    main()
