# SPDX-License-Identifier: Apache-2.0
"""Lists over HTTP as rows, and their cost by the size of the catalogue as a picture."""

from __future__ import annotations

from typing import Any

from benchmarks.harness import RESULTS, Row
from benchmarks.load import unanswered
from benchmarks.recommend_serving import RATE, serving_fits

AIM = 1_000_000


def serving(*, quick: bool, seed: int) -> list[Row]:
    """Lists at a steady rate from another process: latency, memory, and what the index finds.

    The largest catalogue is only measured where its fit was asked for: it takes 10 GB and minutes.
    """
    fits = serving_fits(quick=quick, seed=seed)
    names = [n for n in fits.work if int(n.split("-")[0]) <= AIM or fits.kept(n) is not None]
    each = {int(name.split("-")[0]): fits.get(name) for name in names}
    rows = [row for n, found in each.items() for row in _rows(n, found, quick)]
    if not quick:
        _drawn(each)
    return rows


def _rows(n: int, found: dict[str, Any], quick: bool) -> list[Row]:
    ours, empty = found["ours"], found["empty"]
    print(f"  {n:>10,} items: p50 {ours['p50']:.2f} ms, p99 {ours['p99_windows']:.1f} ms, empty "
          f"{empty['p50']:.2f} and {empty['p99_windows']:.1f} ms, {found['cpu_ms']:.2f} CPU ms, "
          f"recall@200 {found['recall']:.4f}, {found['mib']:.0f} MiB; steps "
          + ", ".join(f"{k} {v / 1e3:.2f} ms" for k, v in found["steps_us"].items()), flush=True)  # fmt: skip
    aimed, missed = n == AIM and not quick, unanswered(empty=empty, ours=ours)
    limit = 2 * empty["p99_windows"] + 3
    return [
        Row(f"list_{n}", f"p50 of a list out of {n:,} items at {RATE}/s over HTTP", ours["p50"], "ms",
            10.0 if aimed else None, detail=found, missed=missed),
        Row(f"list_p99_{n}", "p99, median of one-second windows; twice an empty handler's + 3 ms",
            ours["p99_windows"], "ms", limit if aimed else None, missed=missed),
        Row(f"list_cpu_{n}", "CPU of the server for one list", found["cpu_ms"], "ms"),
        Row(f"recall_{n}", "recall@200 of exact", found["recall"], "share", 0.99 if aimed else None, least=True),
        Row(f"memory_{n}", "memory of the server", found["mib"], "MiB", 1536.0 if aimed else None),
    ]  # fmt: skip


def _drawn(each: dict[int, dict[str, Any]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    sizes = sorted(each)
    axis.plot(sizes, [each[n]["cpu_ms"] for n in sizes], "o-", label="whole request, CPU")
    for step in each[sizes[0]]["steps_us"]:
        axis.plot(sizes, [each[n]["steps_us"][step] / 1e3 for n in sizes], ".--", label=step)
    axis.set_xscale("log")
    axis.set_xlabel("items")
    axis.set_ylabel("ms")
    axis.legend(fontsize=8)
    figure.savefig(RESULTS / "recommend-cost.png", dpi=110)
