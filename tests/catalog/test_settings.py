# SPDX-License-Identifier: Apache-2.0
"""Settings: what a project keeps about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heptad import __version__
from heptad.catalog import Catalog
from heptad.standards.errors import ContractError
from tests.catalog.conftest import NOON

if TYPE_CHECKING:
    from pathlib import Path


def test_a_project_keeps_its_id(target: str, tmp_path: Path, catalog: Catalog) -> None:
    project = catalog.settings.project
    assert len(project) == 32
    assert catalog.settings.get("created") == NOON
    assert catalog.settings.get("created_version") == __version__
    with Catalog(target, models=tmp_path) as again:
        assert again.settings.project == project


@pytest.mark.parametrize("value", [None, 0, 0.1, 2**62, "汇", [1, [2]], {"b": {"a": None}}, True])
def test_values_come_back(catalog: Catalog, value: object) -> None:
    catalog.settings.set("x", value)
    assert catalog.settings.get("x", "default") == value
    assert type(catalog.settings.get("x")) is type(value)
    catalog.settings.set("x", "other")
    assert catalog.settings.all()["x"] == "other"
    assert catalog.settings.get("y", "default") == "default"


def test_a_floor_never_falls(catalog: Catalog) -> None:
    assert catalog.settings.log_floor == 0
    assert [catalog.settings.raise_to("log_floor", n) for n in (5, 3, 9)] == [5, 5, 9]
    assert catalog.settings.log_floor == 9
    with pytest.raises(ContractError):
        catalog.settings.raise_to("log_floor", 9.5)  # type: ignore[arg-type]
