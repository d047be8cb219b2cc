# SPDX-License-Identifier: Apache-2.0
"""What the engine's tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from visits import Project, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project with the table Visit."""
    project = Project(tmp_path / "project")
    project.lake.create(Visit)
    yield project
    project.duck.close()
