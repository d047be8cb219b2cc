# SPDX-License-Identifier: Apache-2.0
"""Lists out of many items, asked for over HTTP: rules, cells, DIN over a history of fifty, MMR.

`prepared` makes the vectors, their index and the ranker as files in a process of its own; `serve`
maps them and answers; the row asks it at a steady rate from another process.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fits import RUNNING, Fits
from benchmarks.harness import ROOT, child
from heptad.analysis.recommend.index import Index
from heptad.analysis.recommend.pipeline import Pipeline
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
        self.group = random.integers(0, len(RISKS) * len(HOMES), n).astype(np.int8)
        self.terms = [
            Terms("", "advice", youngest=18, risk=risk, once=False,
                  residence=None if home is None else frozenset(home.split("|")))
            for risk in RISKS for home in HOMES
        ]  # fmt: skip
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
        allowed = np.array([not c for c in codes])[self.group]
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
    import uvicorn

    house = House(Path(folder), seed)
    house.list_for(1)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        asked = scope["path"].lstrip("/")
        found = b"{}" if asked == "empty" else json.dumps(house.list_for(int(asked))).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(found))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": found})

    uvicorn.run(app, port=port, log_level="error", lifespan="off", access_log=False)


async def _asked(port: int, path: str | None, rate: int, seconds: int) -> tuple[Any, list[Any]]:
    """Ask at a steady rate; seconds from when each was due, by due time, and the answers."""
    free: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(16):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    loop = asyncio.get_running_loop()
    begun, took, answers = loop.time() + 0.1, np.zeros(rate * seconds), []

    async def one(number: int) -> None:
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        reader, writer = await free.get()
        name = number + 1 if path is None else path
        writer.write(f"GET /{name} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split()[0])
        body = await reader.readexactly(length)
        took[number] = loop.time() - due
        answers.append(json.loads(body))
        free.put_nowait((reader, writer))

    await asyncio.gather(*(one(i) for i in range(rate * seconds)))
    return took, answers


def _p99(took: Any, rate: int) -> float:
    """The median of the p99 of one-second windows, in ms."""
    return float(np.median(np.quantile(took.reshape(-1, rate), 0.99, axis=1)) * 1e3)


def _measured(n: int, seed: int, quick: bool, _keep: Path) -> dict[str, Any]:
    seconds = 4 if quick else SECONDS
    with tempfile.TemporaryDirectory(prefix="heptad-serving-") as folder:
        made = child("benchmarks.recommend_serving:prepared", folder, n, seed).answer
        port = _free_port()
        code = "import sys; from benchmarks.recommend_serving import serve; "
        code += "serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))"
        process = subprocess.Popen(
            [sys.executable, "-c", code, folder, str(seed), str(port)], cwd=ROOT
        )
        try:
            _wait(port, process)
            asyncio.run(_asked(port, None, RATE // 2, 2))
            before = _cpu(process.pid)
            took, answers = asyncio.run(_asked(port, None, RATE, seconds))
            cpu_ms = (_cpu(process.pid) - before) / len(took) * 1e3
            hollow, _ = asyncio.run(_asked(port, "empty", RATE, seconds))
            mib = _mib(process.pid)
        finally:
            process.kill()
            process.wait()
    steps = np.median([a["us"] for a in answers], axis=0)
    return made | {
        "p50_ms": float(np.median(took) * 1e3), "p99_ms": _p99(took, RATE), "cpu_ms": cpu_ms,
        "empty_p50_ms": float(np.median(hollow) * 1e3), "empty_p99_ms": _p99(hollow, RATE), "mib": mib,
        "steps_us": dict(zip(("allowed", "recall", "rank", "re-rank"), steps.tolist(), strict=True)),
    }  # fmt: skip


def _free_port() -> int:
    with socket.socket() as given:
        given.bind(("127.0.0.1", 0))
        return int(given.getsockname()[1])


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    parts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def _mib(pid: int) -> float:
    """The most memory that a process has held."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


def _wait(port: int, process: Any) -> None:
    for _ in range(6000):
        if process.poll() is not None:
            raise SystemExit("the server did not start")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the server did not answer")


def serving_fits(*, quick: bool, seed: int) -> Fits:
    """A server for each size of the catalogue."""
    sizes = (10_000, 100_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000)
    work = {f"{n}-{seed}": partial(_measured, n, seed, quick) for n in sizes}
    return Fits("serving", work, "benchmarks.recommend_serving", quick=quick, within=RUNNING)
