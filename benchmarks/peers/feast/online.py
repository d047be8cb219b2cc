# SPDX-License-Identifier: Apache-2.0
"""Feast's online reads from SQLite; run by Feast's own environment."""

import datetime as dt
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Int64

folder = Path(sys.argv[1])
values = np.load(folder / "values.npy")
asked = json.loads((folder / "asked.json").read_text())
names = [f"f{n}" for n in range(values.shape[1])]
now = dt.datetime.now(dt.UTC).replace(microsecond=0)

frame = pd.DataFrame(values, columns=names)
frame["customer"] = [f"c{n}" for n in range(len(values))]
frame["event_timestamp"] = now - dt.timedelta(minutes=5)
frame.to_parquet(folder / "values.parquet")

store = FeatureStore(
    config=RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": "file"},
        entity_key_serialization_version=3,
    )
)
customer = Entity(name="customer", join_keys=["customer"], value_type=ValueType.STRING)
view = FeatureView(
    name="spent",
    entities=[customer],
    ttl=dt.timedelta(days=1),
    online=True,
    schema=[Field(name=name, dtype=Int64) for name in names],
    source=FileSource(path=str(folder / "values.parquet"), timestamp_field="event_timestamp"),
)
store.apply([customer, view])
store.write_to_online_store("spent", frame)
features = [f"spent:{name}" for name in names]
spent, total = [], 0
for key in asked:
    begin = time.perf_counter()
    found = store.get_online_features(features, [{"customer": f"c{key}"}]).to_dict()
    spent.append(time.perf_counter() - begin)
    total += sum(found[name][0] for name in names)
print(json.dumps({"spent": spent, "total": int(total)}))
