# SPDX-License-Identifier: Apache-2.0
"""Work on one Delta table in which any storage call may be the last."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from heptad.engine.local.arrow import arrow_schema
from heptad.engine.local.lake import Lake
from heptad.standards import Instant, Table, Text
from heptad.standards.errors import HeptadError

LOADS = 3


class Coin(Table):
    """One coin dropped into a box."""

    id = Text("Number of the coin", key=True)
    event_time = Instant("When it dropped")


_SCHEMA = arrow_schema(Coin.columns()[:-1])


def warm() -> None:
    """Let Arrow import what it imports at its first conversion."""
    pa.table(_row(0), schema=_SCHEMA)


def _row(load: int) -> list[list]:
    return [[f"c{load}"], [load], [load], [False], [load], [1], [load]]


def stage(lake: Lake, load: int) -> Path:
    """Stage the one row that a load brings."""
    staged = lake.stage("Coin")
    home = staged / "_month=1970-01"
    home.mkdir()
    pq.write_table(pa.table(_row(load), schema=_SCHEMA), home / "a.parquet")
    return staged


def drop(folder: str, acknowledged: str, first: int = 1, last: int = LOADS) -> None:
    """Create the table and commit one-row loads, retrying what is refused; tell what landed."""
    acks = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lake = Lake(Path(folder))
    loads = itertools.count(first) if last < 0 else range(first, last + 1)
    for load in itertools.chain([0], loads):
        for _ in range(3):
            try:
                version = put(lake, load)
            except HeptadError as refusal:
                os.write(acks, f"E {load} {refusal.code}\n".encode())
            except OSError as error:  # staging itself, which is ours here and the engine's there
                os.write(acks, f"O {load} {error.errno}\n".encode())
            else:
                os.write(acks, f"A {load} {version}\n".encode())
                break


def put(lake: Lake, load: int) -> int:
    """Do one step: load 0 is the creation of the table."""
    if load == 0:
        return lake.create(Coin)
    return lake.commit("Coin", stage(lake, load), load=load, table=Coin)


def keep_house(folder: str, acknowledged: str) -> None:
    """Merge files, write a checkpoint, give up old versions."""
    lake = Lake(Path(folder))
    acks = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for step in (lambda: lake.compact("Coin"), lambda: lake.checkpoint("Coin")):
        for _ in range(3):
            try:
                os.write(acks, f"A -1 {step()}\n".encode())
            except HeptadError as refusal:
                os.write(acks, f"E -1 {refusal.code}\n".encode())
            else:
                break
    for _ in range(3):
        try:
            lake.retain("Coin", 1, pinned=[1])
        except HeptadError as refusal:
            os.write(acks, f"E -1 {refusal.code}\n".encode())
        else:
            break


def mend(folder: str, durable_version: int) -> None:
    """Recover the table, retrying what is refused."""
    lake = Lake(Path(folder))
    for _ in range(3):
        try:
            lake.recover("Coin", durable_version)
        except HeptadError as refusal:
            if refusal.code != "busy":
                raise
        else:
            return
