# SPDX-License-Identifier: Apache-2.0
"""What LensKit answers: implicit least squares, and lists of ten for everybody among all items.

Runs in an environment of its own: `python peer.py WORK IN OUT`. The work `als` is timed and judged
by LensKit too; `tune` only makes the lists of each setting.
"""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("RAYON_NUM_THREADS", "1")

import numpy as np


def fitted(held, setting):
    """Fit with a regularisation and a weight of events; the pipeline and its CPU seconds."""
    import pandas as pd
    from lenskit.als import ImplicitMFConfig, ImplicitMFScorer
    from lenskit.data import from_interactions_df
    from lenskit.pipeline import topn_pipeline
    from lenskit.training import TrainingOptions

    frame = pd.DataFrame({"user_id": held["users"], "item_id": held["items"]})
    data = from_interactions_df(frame)
    size, epochs = int(held["size"]), int(held["epochs"])
    reg, weight = map(float, setting)
    config = ImplicitMFConfig(embedding_size=size, epochs=epochs, regularization=reg, weight=weight)
    pipe = topn_pipeline(ImplicitMFScorer, config, n=10)
    start = time.process_time()
    pipe.train(data, TrainingOptions(rng=int(held["seed"])))
    return pipe, time.process_time() - start


def listed(held, found):
    """Lists as codes, one line for each who was asked for; -1 where there were no more items."""
    table = found.to_df().sort_values(["user_id", "rank"], kind="stable")
    lists = np.full((len(held["who"]), 10), -1)
    place = np.searchsorted(held["who"], table["user_id"].to_numpy())
    lists[place, table["rank"].to_numpy() - 1] = table["item_id"].to_numpy()
    return lists


def tune(held):
    """Return the lists of each setting."""
    from lenskit import batch

    who = held["who"].tolist()
    pipes = (fitted(held, setting)[0] for setting in held["settings"])
    return {"lists": np.stack([listed(held, batch.recommend(p, who, 10, n_jobs=1)) for p in pipes])}


def als(held):
    """Fit and rank with one setting; CPU seconds of both, the lists and LensKit's figure of them."""
    import pandas as pd
    from lenskit import batch
    from lenskit.data import ItemListCollection
    from lenskit.metrics import NDCG, RunAnalysis

    pipe, fit = fitted(held, *held["settings"])
    test = ItemListCollection.from_df(
        pd.DataFrame({"user_id": held["who"], "item_id": held["wanted"]}), ["user_id"]
    )
    start = time.process_time()
    found = batch.recommend(pipe, held["who"].tolist(), 10, n_jobs=1)
    analysis = RunAnalysis(NDCG(n=10)).measure(found, test)
    judged = time.process_time() - start
    ndcg = float(analysis.list_metrics()["NDCG@10"].mean())
    return {"fit_s": fit, "judge_s": judged, "lists": listed(held, found)[None], "ndcg": ndcg}


def main():
    """Read arrays, do the work, write arrays."""
    work, source, to = sys.argv[1:]
    with np.load(source) as file:
        held = {name: file[name] for name in file.files}
    np.savez(to, **{"als": als, "tune": tune}[work](held))


if __name__ == "__main__":
    main()
