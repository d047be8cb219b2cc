# SPDX-License-Identifier: Apache-2.0
"""Nurseries and disks that the fault tests share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import Harness
from injector import MEGABYTES, Disk, Injector, quick, why_no_compiler, why_no_power

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def swift() -> Iterator[Path]:
    """A folder on the quickest storage there is, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="heptad-faults-", dir=quick()) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def harness(swift: Path) -> Iterator[Callable[[str], Harness]]:
    """Give the harness of a piece of work, `module:Class`, made once."""
    if reason := why_no_compiler():
        pytest.skip(reason)
    injectors: dict[str, Injector] = {}
    made: dict[str, Harness] = {}

    def get(work: str) -> Harness:
        module = work.partition(":")[0]
        if work not in made:
            if module not in injectors:
                folder = swift / module
                folder.mkdir()
                injectors[module] = Injector(folder, [module]).__enter__()
            made[work] = Harness(injectors[module], work, swift / work.replace(":", "-"))
        return made[work]

    yield get
    for injector in injectors.values():
        injector.__exit__(None, None, None)


@pytest.fixture(scope="session", params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, swift: Path) -> Disk:
    """A disk of each kind, whose power can fail."""
    kind = request.param
    probe, home = swift / f"probe-{kind}", swift / kind
    if reason := why_no_power(probe, kind):
        pytest.skip(reason)
    return Disk(home, MEGABYTES[kind], kind)
