# SPDX-License-Identifier: Apache-2.0
"""Flows: read with places of errors, published by four eyes, chosen by subject, replayed by hash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from heptad.apps.fraud import app
from heptad.runtime import Platform
from heptad.service.app import Inputs
from heptad.service.flows.published import _REGISTERS, CHALLENGER, FLOW, SHARE, in_share
from heptad.service.flows.publishing import approve, propose, publish, withdraw
from heptad.standards.errors import Conflict, ContractError, HeptadError, Refused
from heptad.testing.scratch import project

TEXT = app.flow.path.read_text(encoding="utf-8")
STRICT = TEXT.replace("burst_payments: 4", "burst_payments: 2").replace("version: 2", "version: 3")
LOOSE = STRICT.replace("version: 3", "version: 4").replace("burst_declined: 3", "burst_declined: 9")


@pytest.fixture
def platform():
    rows = app.demo(7)
    with project(rows, apps=[app]) as opened:
        yield opened


def published(platform, text, **how):
    models = platform.catalog.models
    made = propose(models, app, text, "Ann")
    approve(models, app, made.id, made.sha256[:12], "Bob", "read and tested")
    return publish(models, app, text, "Bob", **how)


@pytest.mark.parametrize(
    ("old", "new", "do"),
    [
        ("count_10m}, 0]}, {policy: burst_p", "count_10n}, 0]}, {policy: burst_p", "count_10m"),
        ("{policy: burst_declined}", "{policy: burst_decline}", "burst_declined"),
        ("outcome: challenge", "outcome: chalenge", "challenge"),
        ("greatest:", "gretest:", "greatest"),
        ("- checks:", "- cheks:", "checks"),
        ("ne: [{column: channel}, online]", "ne: [{column: channel}, onlin]", "online"),
    ],
)
def test_an_error_names_file_line_and_cure(old, new, do):
    line = TEXT[: TEXT.index(old)].count("\n") + 1
    with pytest.raises(HeptadError) as met:
        app.flow.read(TEXT.replace(old, new, 1), "mine.yaml")
    assert met.value.place == f"mine.yaml line {line}"
    assert do in met.value.do


def test_a_prefilter_reads_no_features_and_a_flow_ends():
    early = TEXT.replace("- features: all\n- checks:", "- prefilter:", 1)
    with pytest.raises(HeptadError, match="prefilter does not know"):
        app.flow.read(early, "mine.yaml")
    with pytest.raises(HeptadError, match="ends with an outcome"):
        app.flow.read(TEXT[: TEXT.index("- outcome:\n")], "mine.yaml")


def test_nobody_publishes_alone_and_no_other_bytes(platform):
    models = platform.catalog.models
    made = propose(models, app, STRICT, "Ann")
    with pytest.raises(Conflict, match="not approved"):
        publish(models, app, STRICT, "Ann")
    with pytest.raises(Refused, match="did not train"):
        approve(models, app, made.id, made.sha256, "ann ", "my own")
    with pytest.raises(Conflict, match="other bytes"):
        approve(models, app, made.id, propose(models, app, LOOSE, "Ann").sha256, "Bob", "fine")
    with pytest.raises(Conflict, match="other bytes"):
        approve(models, app, made.id, made.sha256[:6], "Bob", "fine")
    with pytest.raises(Conflict, match="is a flow"):
        platform.approve(made.id, "Bob", "as if it were a model")
    approve(models, app, made.id, made.sha256[:12], "Bob", "fine")
    for changed in (STRICT + " ", STRICT.replace("hold", "approve"), LOOSE):
        with pytest.raises(Conflict, match="not approved"):
            publish(models, app, changed, "Bob")
    assert FLOW not in platform.desk.policy(app)
    assert publish(models, app, STRICT, "Bob").stage == "champion"
    assert platform.desk.policy(app)[FLOW] == made.sha256


def test_tampered_bytes_do_not_decide(platform):
    model = published(platform, STRICT)
    files = [p for p in (Path(platform.path) / "models").rglob("*") if model.sha256 in p.name]
    (path,) = files
    path.chmod(0o600)
    path.write_bytes(LOOSE.encode())
    app.flow._known.pop(model.sha256, None)
    with pytest.raises(HeptadError, match="bytes"):
        platform.decide("fraud", latest=1)


def test_old_decisions_replay_under_the_flow_that_made_them(platform):
    keys = [r["id"] for r in app.demo(7)[app.on]][:60]
    first = platform.decide("fraud", keys=keys[:20])
    published(platform, STRICT)
    second = platform.decide("fraud", keys=keys[20:40])
    published(platform, LOOSE, challenger=True, share=0.5)
    third = platform.decide("fraud", keys=keys[40:])
    flows = [{e.decision.policy.get(FLOW) for e in made} for made in (first, second, third)]
    assert flows[0] == {None}
    assert len(flows[1]) == 1
    assert flows[1] == flows[2]
    assert {e.decision.policy.get(CHALLENGER) for e in third} != {None}
    app.flow._known.clear()
    _REGISTERS.clear()
    folder = platform.path
    platform.close()
    with Platform.open(folder, apps=[app]) as again:
        report = again.replay()
    assert report.identical, report.findings[:3]
    assert report.decided["identical"] == 60


def test_a_challenger_decides_for_its_share_and_always_for_the_same(platform):
    rival = published(platform, STRICT, challenger=True, share=0.3).sha256
    policy = platform.desk.policy(app)
    assert policy[SHARE] == 0.3
    assert FLOW not in policy
    quiet = dict.fromkeys(app.features) | {"count_10m": 2, "count_30d": 60}
    outcomes = {}
    for n in range(2000):
        row = {"id": "p", "event_time": 0, "country": "ES", "channel": "online", "device": None}
        found = app.decide(Inputs(quiet, row | {"customer": f"c{n}"}, policy)).outcome
        assert (found == "hold") == in_share(rival, f"c{n}", 0.3)
        outcomes[found] = outcomes.get(found, 0) + 1
    assert 0.25 < outcomes["hold"] / 2000 < 0.35
    withdraw(
        platform.catalog.models,
        app,
        platform.catalog.models.challenger("fraud/flow").id,
        "Bob",
        "no",
    )
    assert CHALLENGER not in platform.desk.policy(app)


def test_a_share_lies_between_none_and_all(platform):
    with pytest.raises(ContractError, match="share"):
        published(platform, STRICT, challenger=True, share=1.0)
    with pytest.raises(Conflict):
        approve(
            platform.catalog.models,
            app,
            1,
            propose(platform.catalog.models, app, STRICT, "Ann").sha256,
            "Cy",
            "again",
        )


def test_the_packages_own_flow_has_the_policy_of_the_application():
    assert app.policy == app.flow.own.policy
    assert not re.search(r"\bdef _\w+", (app.folder / "decide.py").read_text())


def test_killed_while_another_challenger_takes_its_place_the_one_before_stays(
    platform, monkeypatch
):
    first = published(platform, LOOSE, challenger=True, share=0.25, note="shadow=0 share=1.0")
    models = platform.catalog.models
    honest = models._set

    def dies(model, stage, *rest):
        if stage == "challenger":
            raise KeyboardInterrupt
        honest(model, stage, *rest)

    monkeypatch.setattr(models, "_set", dies)
    with pytest.raises(KeyboardInterrupt):
        published(platform, STRICT, challenger=True, share=0.5)
    monkeypatch.undo()
    policy = platform.desk.policy(app)
    assert (policy[CHALLENGER], policy[SHARE]) == (first.sha256, 0.25)
    assert models.history(first.id)[-1].note == "shadow=0 share=1.0"
    # The same again, for more of them.
    publish(models, app, LOOSE, "Bob", challenger=True, share=0.75)
    assert platform.desk.policy(app)[SHARE] == 0.75


def test_a_challenger_of_nobody_knows_how_many_is_refused(platform):
    made = published(platform, LOOSE, challenger=True, share=0.25)
    models = platform.catalog.models
    models.promote(made.id, "retired", "Bob", "enough")
    models.promote(made.id, "challenger", "Bob", "share=0.5")
    with pytest.raises(ContractError, match="nobody said for which share"):
        platform.desk.policy(app)
