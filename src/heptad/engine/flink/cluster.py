# SPDX-License-Identifier: Apache-2.0
"""A small Flink cluster on this machine, by the package's own scripts, watched by its REST API."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

from heptad.engine.flink.environment import Environment, find, place
from heptad.standards.errors import Busy

if TYPE_CHECKING:
    from pathlib import Path

MANAGERS, SLOTS = 2, 2
"""TaskManagers, and slots of each."""
_START_S = 180.0
_MEMORY = {
    "jobmanager.memory.process.size": "600m", "jobmanager.memory.jvm-metaspace.size": "160m",
    "jobmanager.memory.jvm-overhead.min": "64m", "jobmanager.memory.jvm-overhead.max": "64m",
    "jobmanager.memory.off-heap.size": "64m",
    "taskmanager.memory.process.size": "660m", "taskmanager.memory.jvm-metaspace.size": "160m",
    "taskmanager.memory.jvm-overhead.min": "64m", "taskmanager.memory.jvm-overhead.max": "64m",
    "taskmanager.memory.framework.heap.size": "64m",
    "taskmanager.memory.framework.off-heap.size": "64m",
    "taskmanager.memory.network.min": "48m", "taskmanager.memory.network.max": "48m",
    "taskmanager.memory.managed.size": "16m",
}  # fmt: skip
"""All three processes together stay below 2 GiB."""


class Cluster:
    """One JobManager and two TaskManagers, known by files in a folder of the user's cache.

    Args:
        folder: of their settings, logs and process numbers.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or place().with_name(f"{place().name}-cluster")

    @property
    def port(self) -> int:
        """Where its REST API answers; 0 if it was never started."""
        try:
            return int((self.folder / "port").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0

    def settings(self) -> dict[str, str]:
        """Return what sends a job to this cluster; nothing if it does not run."""
        if not self.running():
            return {}
        return {
            "execution.target": "remote",
            "rest.address": "localhost",
            "rest.port": str(self.port),
            "execution.checkpointing.storage": "filesystem",
            "execution.checkpointing.dir": (self.folder / "checkpoints").as_uri(),
        }

    def running(self) -> bool:
        """Whether its JobManager answers."""
        return self.port > 0 and self.asked("/overview") is not None

    def start(self) -> None:
        """Start it, and wait for all slots.

        Raises:
            Busy: if Flink is not installed, or does not come up.
        """
        environment = find()
        if not self.running():
            self.stop()
            self._configure(environment)
            self._script(environment, "jobmanager.sh", "start")
        missing = MANAGERS - len(self._managers())
        for _ in range(missing):
            self._script(environment, "taskmanager.sh", "start")
        until = time.monotonic() + _START_S
        while sum(m["slotsNumber"] for m in self._managers()) < MANAGERS * SLOTS:
            if time.monotonic() > until:
                raise Busy("The Flink cluster did not come up.", do=f"read {self.folder / 'log'}")
            time.sleep(0.5)

    def stop(self) -> None:
        """Stop all of its processes."""
        if not (self.folder / "conf").is_dir():
            return
        environment = find()
        self._script(environment, "taskmanager.sh", "stop-all")
        self._script(environment, "jobmanager.sh", "stop-all")
        until = time.monotonic() + _START_S
        while self.running() and time.monotonic() < until:
            time.sleep(0.2)

    def processes(self) -> list[int]:
        """Return the process numbers of its TaskManagers."""
        found = sorted((self.folder / "pid").glob("*taskexecutor.pid"))
        return [int(n) for file in found for n in file.read_text(encoding="utf-8").split()]

    def asked(self, path: str) -> Any:
        """Return an answer of the REST API; None where nobody answers."""
        from urllib.error import URLError
        from urllib.request import urlopen

        try:
            with urlopen(f"http://localhost:{self.port}{path}", timeout=10) as answer:
                return json.loads(answer.read())
        except (URLError, OSError, ValueError):
            return None

    def status(self) -> dict[str, Any]:
        """Say what runs: managers, slots, jobs, their back-pressure and last checkpoints."""
        jobs = (self.asked("/jobs/overview") or {}).get("jobs", []) if self.port else []
        return {
            "running": self.running(),
            "port": self.port,
            "managers": [
                {"id": m["id"], "slots": m["slotsNumber"], "free": m["freeSlots"]}
                for m in self._managers()
            ],
            "jobs": [self._job(job) for job in jobs],
        }

    def _managers(self) -> list[dict[str, Any]]:
        found = self.asked("/taskmanagers") if self.port else None
        return list((found or {}).get("taskmanagers", []))

    def _job(self, job: dict[str, Any]) -> dict[str, Any]:
        number = job["jid"]
        kept = self.asked(f"/jobs/{number}/checkpoints") or {}
        last = (kept.get("latest") or {}).get("completed") or {}
        return {
            "id": number,
            "state": job["state"],
            "back_pressure": self._pressure(number) if job["state"] == "RUNNING" else "",
            "checkpoints": (kept.get("counts") or {}).get("completed", 0),
            "restored": (kept.get("counts") or {}).get("restored", 0),
            "last_checkpoint": last.get("id"),
            "last_checkpoint_s": round(time.time() - last["latest_ack_timestamp"] / 1000, 1)
            if last
            else None,
        }

    def _pressure(self, number: str) -> str:
        """Return the worst level of back-pressure of a job's steps."""
        levels = ["ok", "low", "high"]
        steps = (self.asked(f"/jobs/{number}") or {}).get("vertices", [])
        answers = (self.asked(f"/jobs/{number}/vertices/{s['id']}/backpressure") for s in steps)
        found = [str((a or {}).get("backpressureLevel", "")) for a in answers]
        known = [level for level in found if level in levels]
        return max(known, key=levels.index, default="not measured yet")

    def _configure(self, environment: Environment) -> None:
        """Write the settings, beside Flink's own."""
        import yaml

        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(environment.home / "conf", self.folder / "conf")
        for name in ("log", "pid", "checkpoints"):
            (self.folder / name).mkdir()
        file = self.folder / "conf" / "config.yaml"
        kept = _flat(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
        port = _free_port()
        ours = {
            "rest.port": port, "jobmanager.rpc.port": _free_port(),
            "taskmanager.numberOfTaskSlots": SLOTS,
            "heartbeat.interval": 3000, "heartbeat.timeout": 30_000,
            "restart-strategy.type": "fixed-delay", "restart-strategy.fixed-delay.attempts": 20,
            "restart-strategy.fixed-delay.delay": "2 s",
        }  # fmt: skip
        file.write_text(yaml.safe_dump(kept | _MEMORY | ours), encoding="utf-8")
        (self.folder / "port").write_text(str(port), encoding="utf-8")

    def _script(self, environment: Environment, script: str, *words: str) -> None:
        told = {
            "FLINK_CONF_DIR": str(self.folder / "conf"),
            "FLINK_LOG_DIR": str(self.folder / "log"),
            "FLINK_PID_DIR": str(self.folder / "pid"),
            "FLINK_IDENT_STRING": "heptad",
        }
        done = subprocess.run(  # noqa: S603 - a script of the environment that we made
            ["/bin/bash", str(environment.home / "bin" / script), *words],
            env=os.environ | told,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and "start" in words:
            raise Busy(f"{script} of Flink failed.", got=(done.stderr or done.stdout)[-300:])


def _flat(tree: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested settings by their whole names."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
