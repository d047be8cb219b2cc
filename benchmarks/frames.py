# SPDX-License-Identifier: Apache-2.0
"""The features of the history benchmark as one writes them by hand in pandas and in Polars."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.features import WINDOWS, checks


def in_pandas(folder: str) -> dict[str, Any]:
    """Rolling windows over the union of events and spine.

    A rolling window per group costs pandas a call for every key, so the keys are laid one after
    the other on one axis of time, too far apart for a window to reach from one into the next.
    """
    import pandas as pd
    import pyarrow as pa

    start = time.perf_counter()
    events = pd.read_parquet(f"{folder}/tables/events.parquet",
                             columns=["customer", "event_time", "id", "amount"])  # fmt: skip
    spine = pd.read_parquet(f"{folder}/tables/spine.parquet").rename(columns={"t": "event_time"})
    m = len(spine)
    code, _ = pd.factorize(pd.concat([spine["customer"], events["customer"]], ignore_index=True))
    us = np.concatenate([spine["event_time"], events["event_time"]])
    amount = np.concatenate([np.full(m, np.nan), events["amount"].astype(float)])
    apart = int(us.max()) + max(WINDOWS) + 1
    at = code * apart + us
    # Events are in order of (time, id); of one instant they come before the spine's rows.
    order = np.lexsort((np.arange(len(at)) < m, at))
    held = pd.Series(amount[order], index=pd.DatetimeIndex(at[order].astype("datetime64[us]")))
    rows = np.flatnonzero(order < m)
    back = np.empty(m, np.int64)
    back[order[rows]] = rows
    last = held.ffill().to_numpy()
    seen = pd.Series(np.where(held.notna(), at[order], -1)).cummax().to_numpy()
    made: dict[str, Any] = {}
    for n, over in enumerate(WINDOWS):
        window = held.rolling(pd.Timedelta(over, "us"), min_periods=1)
        total, largest = window.sum().to_numpy()[back], window.max().to_numpy()[back]
        near = at[order][back] - seen[back] < over
        made[f"total_{n}"] = np.nan_to_num(total)
        made[f"count_{n}"] = held.rolling(pd.Timedelta(over, "us")).count().to_numpy()[back]
        made[f"largest_{n}"] = largest
        made[f"latest_{n}"] = np.where(near, last[back], np.nan)
    table = pa.table({
        name: pa.array(values, mask=np.isnan(values)).cast(pa.int64())
        for name, values in made.items()
    })  # fmt: skip
    return {"seconds": time.perf_counter() - start, "checks": checks(table)}


def in_polars(folder: str) -> dict[str, Any]:
    """Rolling expressions over the union of events and spine."""
    import polars as pl

    start = time.perf_counter()
    events = pl.scan_parquet(f"{folder}/tables/events.parquet").select(
        "customer", "event_time", "amount", i=pl.lit(None, pl.Int64)
    )
    spine = pl.scan_parquet(f"{folder}/tables/spine.parquet").select(
        "customer", event_time="t", amount=pl.lit(None, pl.Int64), i=pl.int_range(pl.len())
    )
    both = pl.concat([events, spine]).sort("customer", "event_time", "i", nulls_last=False)
    us, amount = pl.col("event_time"), pl.col("amount")
    last = amount.forward_fill()
    seen = pl.when(amount.is_not_null()).then(us).forward_fill()
    asked = []
    for n, over in enumerate(WINDOWS):
        told = {"window_size": f"{over}i", "closed": "right"}
        there = amount.is_not_null().cast(pl.Int64)
        asked += [
            amount.fill_null(0).rolling_sum_by(us, **told).over("customer").alias(f"total_{n}"),
            there.rolling_sum_by(us, **told).over("customer").alias(f"count_{n}"),
            amount.rolling_max_by(us, **told).over("customer").alias(f"largest_{n}"),
            pl.when(us - seen < over).then(last).over("customer").alias(f"latest_{n}"),
        ]
    found = both.select("i", *asked).filter(pl.col("i").is_not_null()).sort("i").collect()
    table = found.to_arrow()
    return {"seconds": time.perf_counter() - start, "checks": checks(table)}
