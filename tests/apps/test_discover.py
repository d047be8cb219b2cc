# SPDX-License-Identifier: Apache-2.0
"""Applications that other packages bring, and those that cannot be loaded."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from heptad.service import discovery
from heptad.standards.errors import ContractError


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("heptad_gone:app", "cannot be loaded"),
        ("heptad.apps.fraud:nothing", "cannot be loaded"),
        ("heptad.apps.fraud:__doc__", "is no App"),
    ],
)
def test_an_application_that_cannot_be_loaded_is_named_with_its_cure(monkeypatch, value, words):
    point = EntryPoint("other", value, "heptad.apps")
    monkeypatch.setattr(discovery, "entry_points", lambda group: [point])
    with pytest.raises(ContractError, match=words) as caught:
        discovery.discover.__wrapped__()
    assert caught.value.do


def test_two_of_one_name_are_refused(monkeypatch):
    point = EntryPoint("fraud", "heptad.apps.fraud:app", "heptad.apps")
    monkeypatch.setattr(discovery, "entry_points", lambda group: [point])
    with pytest.raises(ContractError, match="Two applications"):
        discovery.discover.__wrapped__()
