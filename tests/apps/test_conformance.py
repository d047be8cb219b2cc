# SPDX-License-Identifier: Apache-2.0
"""Every application that is found passes every check of the conformance kit."""

import pytest

from heptad.runtime import discover
from heptad.testing.conformance import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("app", discover().values(), ids=lambda app: app.name)
def test_app(app, check):
    check(app)
