# SPDX-License-Identifier: Apache-2.0
"""Feast's history of the latest value from its DuckDB store; run by Feast's own environment."""

import datetime as dt
import json
import resource
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Int64

folder, over = Path(sys.argv[1]), int(sys.argv[2])
# Feast wants instants as timestamps, made before the clock runs.
duckdb.sql(
    f"COPY (SELECT customer, amount, make_timestamp(event_time) AS event_timestamp "
    f"FROM '{folder}/tables/events.parquet') TO '{folder}/feast.parquet'"
)
frame = duckdb.sql(
    f"SELECT customer, make_timestamp(t) AS event_timestamp, row_number() OVER () - 1 AS i "
    f"FROM '{folder}/tables/spine.parquet'"
).df()
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
found = found.sort_values("i")
assert (found["i"].to_numpy() == np.arange(len(frame))).all()
values = found["amount"]
weights = np.arange(len(values), dtype=np.int64) % 1009
checked = [int(values.notna().sum()), int((values.fillna(-1).astype("int64") * weights).sum())]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": spent, "peak_mib": peak, "check": checked}))
