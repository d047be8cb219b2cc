# SPDX-License-Identifier: Apache-2.0
"""Packaged data sets: found by what the installer recorded, no code of theirs run."""

from __future__ import annotations

import sys

import pytest

from heptad.sources.packages import packaged
from heptad.standards.errors import InputError, Refused, UnknownName


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """An installed distribution with a data file, whose code must not run."""
    data = tmp_path / "shop_data" / "sets"
    data.mkdir(parents=True)
    (data / "orders.txt").write_text("1\n")
    (tmp_path / "shop_data" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    info = tmp_path / "shop_data-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-data\nVersion: 1.0\n")
    names = ["shop_data/__init__.py", "shop_data/sets/orders.txt", "shop_data/sets/link.txt"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    (data / "link.txt").symlink_to(data / "orders.txt")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "origin",
    ["package:shop-data/sets/orders.txt", "package:shop-data/shop_data/sets/orders.txt",
     "package:shop-data/sets/ord*.txt"],
)  # fmt: skip
def test_a_file_is_found_without_importing(shop, origin):
    (file,) = packaged(origin)
    assert file.path == (shop / "shop_data/sets/orders.txt").resolve()
    assert "shop_data" not in sys.modules


def test_what_is_missing_is_said_with_the_cure(shop):
    with pytest.raises(UnknownName, match="no such file") as met:
        packaged("package:shop-data/sets/order.txt")
    assert "orders.txt" in met.value.do
    with pytest.raises(UnknownName, match="not installed") as met:
        packaged("package:surely-absent/x.txt")
    assert met.value.do == "run `pip install surely-absent`"
    with pytest.raises(InputError, match="names a distribution"):
        packaged("package:shop-data")
    with pytest.raises(Refused, match="link"):
        packaged("package:shop-data/sets/link.txt")
