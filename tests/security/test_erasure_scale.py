# SPDX-License-Identifier: Apache-2.0
"""How long an erasure takes in a bank of a million persons, in CPU-seconds of this process."""

from __future__ import annotations

import time

import pytest

from heptad.runtime import Platform

N = 1_000_000


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_person_among_a_million_is_erased_in_time(tmp_path, capsys):
    with (tmp_path / "customers.csv").open("w") as file:
        file.write("id,event_time,name,email\n")
        file.writelines(f"c{n},2026-01-01,Person {n},p{n}@bank.example\n" for n in range(N))
    (tmp_path / "heptad.toml").write_text(
        '[[source]]\ntable = "Customer"\nfrom = "customers.csv"\n', encoding="utf-8"
    )
    with Platform.open(tmp_path) as platform:
        platform.load()
        assert len(platform.keys) == N
        began = time.process_time()
        platform.keys.new_epoch()
        epoch = time.process_time() - began
        began = time.process_time()
        platform.keys.purge()
        purge = time.process_time() - began
        began, wall = time.process_time(), time.monotonic()
        platform.erasing.erase(["c77"], "request no. 17", who="clerk", role="admin")
        whole, wall = time.process_time() - began, time.monotonic() - wall
    rest = whole - epoch - purge
    with capsys.disabled():
        print(
            f"\n{N:,} persons: epoch {epoch:.1f} CPU-s, files anew {purge:.1f}, "
            f"all else {rest:.1f}; one erasure {whole:.1f} CPU-s, {wall:.1f} s wall"
        )
    assert epoch + purge <= 60
    assert rest <= 5
