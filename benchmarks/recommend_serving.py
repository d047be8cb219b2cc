# SPDX-License-Identifier: Apache-2.0
"""Lists out of many items, asked for over HTTP: rules, cells, DIN over a history of fifty, MMR.

`prepared` makes the vectors, their index and the ranker as files in a process of its own; `serve`
maps them and answers; the row asks it at a steady rate from another process.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import load
from benchmarks.fits import RUNNING, Fits
from benchmarks.harness import child
from heptad.analysis.recommend.index import Index
from heptad.analysis.recommend.pipeline import Alike, Pipeline
from heptad.analysis.recommend.signals import empty

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE, HELD, WIDE, DEPTH = 64, 50, 200, 32
"""Length of the vectors, of a history, candidates, and length of DIN's own vectors."""
RATE, SECONDS = 100, 20
RISKS, HOMES = ("R1", "R2", "R3", "R4", "R5"), (None, "DE|GR", "US")


def _spectrum() -> NDArray[np.float32]:
    """Falls as that of a matrix model."""
    return (3 / np.sqrt(np.arange(1, SIZE + 1))).astype(np.float32)


def prepared(folder: str, n: int, seed: int) -> dict[str, float]:
    """Make vectors, index and ranker; the share of the exact 200 best that the index finds."""
    import torch

    from heptad.analysis.recommend.neural.ranker import Ranker
    from heptad.analysis.recommend.neural.rows import Field, Schema

    torch.set_num_threads(1)
    random, falls = np.random.default_rng(seed), _spectrum()
    # Clusters are wide, so that cells are not exact.
    centres = random.standard_normal((2000, SIZE), dtype=np.float32) * falls
    vectors = random.standard_normal((n, SIZE), dtype=np.float32)
    vectors *= 0.5 * falls
    for at in range(0, n, 100_000):
        part = vectors[at : at + 100_000]
        part += centres[random.integers(0, 2000, len(part))]
    start = time.process_time()
    index = Index().fit(vectors)
    built = time.process_time() - start
    index.save(Path(folder) / "index")
    shares = []
    for _ in range(40):
        query = vectors[random.integers(0, n, HELD)].mean(axis=0) + vectors[random.integers(n)]
        exact = np.argpartition(-(vectors @ query), WIDE)[:WIDE]
        shares.append(len(np.intersect1d(exact, index.search(query, WIDE)[0])) / WIDE)
    np.save(Path(folder) / "vectors.npy", vectors)
    schema = Schema(
        (Field("item", n), Field("held", n, table="item", many=True), Field("hour", 24))
    )
    rows = {"item": random.integers(0, n, 512), "held": random.integers(0, n, (512, HELD)),
            "hour": random.integers(0, 24, 512)}  # fmt: skip
    model = Ranker(schema, "din", DEPTH, (64, 32), epochs=1, seed=seed)
    model.fit(rows, random.integers(0, 2, 512)).save(Path(folder) / "din.npz")
    return {"recall": float(np.mean(shares)), "built_cpu_s": built}


@dataclass(frozen=True)
class Asked:
    """The network over one history and moment."""

    din: Any
    held: Any
    moment: Any

    def score(self, _people: Any, items: Any) -> Any:
        """Score (1, k) candidates."""
        return self.din.score({"held": self.held[None]}, {"item": items[0]}, self.moment)[None]


class House:
    """What is served: the terms of items as a few groups, the index, the ranker, the pipeline."""

    def __init__(self, folder: Path, seed: int) -> None:
        import torch

        from heptad.analysis.recommend.neural.ranker import Ranker
        from heptad.service.rules.eligibility import Terms

        torch.set_num_threads(1)
        self.index = Index.load(folder / "index")
        self.vectors = np.load(folder / "vectors.npy", mmap_mode="r")
        self.din = Ranker.load(folder / "din.npz")
        n, random = len(self.vectors), np.random.default_rng(seed)
        terms = [
            Terms("", "advice", youngest=18, risk=risk, once=False,
                  residence=None if home is None else frozenset(home.split("|")))
            for risk in RISKS for home in HOMES
        ]  # fmt: skip
        group = random.integers(0, len(terms), n).tolist()
        self.alike = Alike(group)
        self.terms = [terms[group[first]] for first in self.alike.firsts]
        self.kinds = np.eye(8, dtype=np.float32)[random.integers(0, 8, n)]
        self.people = empty(n)
        self.safe = random.permutation(n)
        self.n = n

    def list_for(self, seed: int) -> dict[str, Any]:
        """Make one list: who asks, and what they held, is drawn."""
        from heptad.service.rules.eligibility import House as Licences
        from heptad.service.rules.eligibility import Person, exclusions

        random = np.random.default_rng(seed)
        person = Person("Customer:c", age=40, residence="DE", profile=RISKS[seed % 5])
        licences = Licences({}, {"advice": "contract"})
        codes = [[e.code for e in exclusions(person, t, licences)] for t in self.terms]
        allowed = self.alike.flags(np.array([not c for c in codes]))
        held = random.integers(0, self.n, HELD)
        query = np.asarray(self.vectors[held]).mean(axis=0) + self.vectors[held[-1]]
        moment = {"hour": np.array([seed % 24])}

        def recall(_people: Any, allowed: Any, k: int) -> Any:
            return self.index.search(query, k, allowed=allowed)[0]

        ranker = Asked(self.din, held, moment)
        plan = Pipeline(recall, ranker, self.kinds, self.safe, wide=WIDE, budget_s=1.0)
        slate = plan.recommend(self.people, allowed, 10, seed=seed)
        assert not slate.fallback, slate.fallback
        assert allowed[slate.items].all()
        return {"items": slate.items.tolist(), "us": [s.microseconds for s in slate.trace]}


def serve(folder: str, seed: int, port: int) -> None:
    """Answer until killed; /empty answers at once."""
    house = House(Path(folder), seed)
    house.list_for(1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        asked = scope["path"].lstrip("/")
        found = {} if asked == "empty" else house.list_for(int(asked))
        await load.answer(send, json.dumps(found).encode())

    load.listen(app, port)


def _asked(port: int, path: str, seconds: int, rate: int = RATE) -> list[load.Answer]:
    """Ask at a steady rate; {} in the path is the number of the request."""

    def request(number: int, at: float) -> bytes:
        del at
        return load.get(port, path.format(number + 1))

    return load.open_loop(port, request, load.steadily(rate, seconds), seconds)


def _measured(n: int, seed: int, quick: bool, _keep: Path) -> dict[str, Any]:
    seconds = 4 if quick else SECONDS
    with tempfile.TemporaryDirectory(prefix="heptad-serving-") as folder:
        made = child("benchmarks.recommend_serving:prepared", folder, n, seed).answer
        with load.server("benchmarks.recommend_serving:serve", folder, seed) as house:
            _asked(house.port, "/{}", 2, RATE // 2)
            before = house.cpu
            lists = _asked(house.port, "/{}", seconds)
            cpu_ms = (house.cpu - before) / len(lists) * 1e3
            empty = load.summary(_asked(house.port, "/empty", seconds), seconds)
            mib = house.peak_mib
    each = [json.loads(one.body)["us"] for one in lists if one.status == 200]
    steps = np.median(each, axis=0).tolist() if each else [0.0] * 4
    return made | {
        "ours": load.summary(lists, seconds), "empty": empty, "cpu_ms": cpu_ms, "mib": mib,
        "steps_us": dict(zip(("allowed", "recall", "rank", "re-rank"), steps, strict=True)),
    }  # fmt: skip


def serving_fits(*, quick: bool, seed: int) -> Fits:
    """A server for each size of the catalogue."""
    sizes = (10_000, 100_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000)
    work = {f"{n}-{seed}": partial(_measured, n, seed, quick) for n in sizes}
    return Fits("serving", work, "benchmarks.recommend_serving", quick=quick, within=RUNNING)
