# SPDX-License-Identifier: Apache-2.0
"""Every application that is found passes every check of the conformance kit."""

import dataclasses

import pytest

from heptad.runtime import discover
from heptad.testing.conformance import CHECKS, no_feature_sees_the_future


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("app", discover().values(), ids=lambda app: app.name)
def test_app(app, check):
    check(app)


@pytest.mark.slow
def test_the_future_check_notices_an_engine_that_ignores_known_time(monkeypatch):
    """A planted fault: windows that hold what became known later."""
    from heptad.service.batch import windows

    honest = windows.plan

    def leaking(*arguments):
        changes = {"e._from <= s._k": "true", "(e._to IS NULL OR e._to > s._k)": "true"}
        for made in honest(*arguments):
            sql = made.sql
            for right, wrong in changes.items():
                assert right in sql
                sql = sql.replace(right, wrong)
            yield dataclasses.replace(made, sql=sql)

    monkeypatch.setattr("heptad.service.batch.history.plan", leaking)
    with pytest.raises(AssertionError, match="change when the future is"):
        no_feature_sees_the_future(discover()["fraud"])
