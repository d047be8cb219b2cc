# SPDX-License-Identifier: Apache-2.0
"""Feast's history of the latest value from its DuckDB store; run by Feast's own environment.

Its files were made by another process, whose memory does not count: `python history.py FOLDER SPAN`.
"""

import datetime as dt
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Int64

folder, over = Path(sys.argv[1]), int(sys.argv[2])
frame = pd.read_parquet(folder / "feast-spine.parquet")
store = FeatureStore(
    config=RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": "duckdb"},
        entity_key_serialization_version=3,
    )
)
customer = Entity(name="customer", join_keys=["customer"], value_type=ValueType.STRING)
view = FeatureView(
    name="spent",
    entities=[customer],
    ttl=dt.timedelta(days=over // 86_400_000_000),
    schema=[Field(name="amount", dtype=Int64)],
    source=FileSource(path=str(folder / "feast.parquet"), timestamp_field="event_timestamp"),
)
store.apply([customer, view])
start = time.perf_counter()
found = store.get_historical_features(frame, ["spent:amount"]).to_df()
spent = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
found = found.sort_values("i")
assert (found["i"].to_numpy() == np.arange(len(frame))).all()
values = found["amount"]
weights = np.arange(len(values), dtype=np.int64) % 1009
checked = [int(values.notna().sum()), int((values.fillna(-1).astype("int64") * weights).sum())]
print(json.dumps({"seconds": spent, "peak_mib": peak, "check": checked}))
