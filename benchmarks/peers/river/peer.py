# SPDX-License-Identifier: Apache-2.0
"""River's rolling statistics of each key, event by event; run by an environment of its own.

`python peer.py EVENTS.npz WINDOW_US …`: river has sums over a length of time, so counts are sums of
ones; of the largest and the latest value over a length of time it has none.
"""

import datetime as dt
import json
import sys
import time
from collections import defaultdict

import numpy as np
from river import stats, utils

held = np.load(sys.argv[1])
windows = [dt.timedelta(microseconds=int(w)) for w in sys.argv[2:]]
# River compares with an instant that has no zone.
begun = dt.datetime(1970, 1, 1)  # noqa: DTZ001
instants = [begun + dt.timedelta(microseconds=us) for us in held["us"].tolist()]
keys, amounts = held["key"].tolist(), held["amount"].tolist()
state = defaultdict(
    lambda: [
        (utils.TimeRolling(stats.Sum(), w), utils.TimeRolling(stats.Sum(), w)) for w in windows
    ]
)
made = np.zeros((len(keys), 2 * len(windows)))
start = time.process_time()
for n, (key, at, amount) in enumerate(zip(keys, instants, amounts, strict=True)):
    for j, (total, count) in enumerate(state[key]):
        total.update(amount, t=at)
        count.update(1, t=at)
        made[n, 2 * j], made[n, 2 * j + 1] = total.get(), count.get()
spent = time.process_time() - start
weights = np.arange(len(keys)) % 1009
checks = [int(np.rint((column * weights).sum())) for column in made.T]
print(json.dumps({"rate": len(keys) / spent, "checks": checks}))
