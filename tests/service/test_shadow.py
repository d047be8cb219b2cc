# SPDX-License-Identifier: Apache-2.0
"""A challenger in shadow: recorded, compared and asked again, and never to be noticed."""

from __future__ import annotations

import json
import threading
import time

import pytest
from sqlalchemy import update

from heptad.apps.fraud import app
from heptad.catalog.rewinding import rewind
from heptad.catalog.shadowtables import ShadowRow
from heptad.runtime import Platform
from heptad.service.flows import shadow
from heptad.service.flows.flows import Flow
from heptad.service.flows.publishing import publish, withdraw
from heptad.service.schedule.driving import keep_shadowing
from heptad.standards.errors import Conflict, ContractError, Corrupt, UnknownName
from heptad.standards.time import FixedClock, hour, second
from heptad.terminal.commands import flows, run
from heptad.terminal.http.api import public
from heptad.testing.scratch import project
from tests.service.test_flows import LOOSE, TEXT, published
from tests.terminal.calling import Client

EAGER = TEXT.replace("burst_payments: 4", "burst_payments: 1").replace("version: 2", "version: 5")
ROWS = app.demo(7)[app.on][-400:]


def opened():
    return project({**app.demo(7), app.on: ROWS}, apps=[app])


def shadowed(platform, text=EAGER, **how):
    return published(platform, text, shadow=len(platform.log), **how)


def keys(n, start=0):
    return [row["id"] for row in ROWS][-130:][start : start + n]


@pytest.fixture
def platform():
    with opened() as made:
        yield made


def test_what_is_decided_is_the_same_to_the_bit_with_a_shadow_and_without():
    bytes_of = []
    for with_shadow in (False, True):
        with opened() as platform:
            if with_shadow:
                shadowed(platform)
            made = platform.decide("fraud", keys=keys(60))
            platform.work.shadows.catch_up()
            made += platform.decide("fraud", keys=keys(60, 60))
            bytes_of.append([e.decision.to_bytes() for e in made])
            assert platform.desk.policy(app) == app.policy
            if with_shadow:
                assert platform.work.shadows.compare(app)["rows"] == 60
    assert len(bytes_of[0]) == 120
    assert bytes_of[0] == bytes_of[1]


def test_it_is_asked_of_what_is_decided_from_then_on_each_once(platform):
    platform.decide("fraud", keys=keys(10))
    model = shadowed(platform)
    made = platform.decide("fraud", keys=keys(60, 10))
    shadows = platform.work.shadows
    assert shadows.behind(model) == 60
    assert shadows.catch_up() == 60
    assert shadows.catch_up() == 0
    told = shadows.compare(app)
    assert (told["rows"], told["behind"], told["failed"]) == (60, 0, 0)
    # The same rows, asked of the flow as if it decided.
    flow, policy = app.flow.by_hash(model.sha256), {**app.policy}
    policy |= flow.policy
    expected = {}
    for entry in made:
        x = entry.decision.inputs()
        would_be = flow(type(x)(x.features, x.row, policy, x.score, x.known_time)).outcome
        pair = entry.decision.outcome, would_be
        expected[pair] = expected.get(pair, 0) + 1
    assert {(s["was"], s["would_be"]): s["rows"] for s in told["swaps"]} == expected
    assert told["changed"] == sum(n for (was, be), n in expected.items() if was != be) > 0
    was, would_be = next((w, b) for w, b in expected if w != b)
    ids = shadows.swapped(app, 0, was, would_be, 1000)
    assert len(ids) == expected[was, would_be]
    assert {platform.log.get(i).decision.outcome for i in ids} == {was}


def test_it_says_the_same_again_also_when_the_project_is_opened_anew(platform):
    shadowed(platform)
    platform.decide("fraud", keys=keys(40))
    platform.work.shadows.catch_up()
    folder = platform.path
    platform.close()
    app.flow._known.clear()
    with Platform.open(folder, apps=[app]) as again:
        told = again.work.shadows.replay(app)
        assert (told["identical"], told["different"], told["erased"]) == (40, 0, 0)
        assert again.work.shadows.catch_up() == 0
        with again.catalog.store.write() as connection:
            rows = connection.execute(ShadowRow.__table__.select().limit(2)).all()
            other = update(ShadowRow).where(ShadowRow.decision == rows[0].decision)
            connection.execute(other.values(sealed=rows[1].sealed))
        with pytest.raises(Corrupt, match="cannot be opened"):
            again.work.shadows.replay(app)


def test_a_shadow_that_raises_harms_nobody_and_is_counted(platform, monkeypatch):
    model = shadowed(platform)
    decide = Flow.decide

    def broken(self, x):
        if self.sha256 == model.sha256 and int(x.row["event_time"]) // second % 2:
            raise ZeroDivisionError
        return decide(self, x)

    monkeypatch.setattr(Flow, "decide", broken)
    made = platform.decide("fraud", keys=keys(60))
    platform.work.shadows.catch_up()
    odd = sum(e.decision.event_time // second % 2 for e in made)
    assert 0 < odd < len(made)
    told = platform.work.shadows.compare(app)
    assert told["rows"] == len(made) == 60
    assert told["failed"] == odd
    assert told["errors"] == {"ZeroDivisionError": odd}


def test_killed_before_its_place_is_kept_it_is_asked_again_and_counted_once(platform, monkeypatch):
    shadowed(platform)
    platform.decide("fraud", keys=keys(40))
    monkeypatch.setattr(shadow, "BATCH", 16)
    honest, left = platform.catalog.settings.set, [3]

    def dies(name, value):
        if name.startswith("shadow."):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
        honest(name, value)

    monkeypatch.setattr(platform.catalog.settings, "set", dies)
    with pytest.raises(KeyboardInterrupt):
        platform.work.shadows.catch_up()
    assert platform.work.shadows.compare(app)["rows"] == 32
    folder = platform.path
    platform.close()
    with Platform.open(folder, apps=[app]) as again:
        assert again.work.shadows.catch_up() == 8
        assert again.work.shadows.compare(app)["rows"] == 40
        assert again.work.shadows.replay(app)["identical"] == 40


def test_what_a_project_changes_is_one_for_all_who_ask_and_must_be_known(platform):
    platform.desk._policies = {"fraud": {"burst_paiments": 9}}
    shadowed(platform)
    for asked in (
        lambda: platform.desk.policy(app),
        lambda: flows.backtest(platform, "fraud", text=EAGER),
    ):
        with pytest.raises(UnknownName, match="burst_paiments"):
            asked()
    platform.desk._policies = {}
    platform.decide("fraud", keys=keys(5))
    platform.desk._policies = {"fraud": {"burst_paiments": 9}}
    with pytest.raises(UnknownName, match="burst_paiments"):
        platform.work.shadows.catch_up()


def test_its_share_is_of_persons_and_a_look_ends_in_time(platform):
    shadowed(platform, share=0.5)
    made = platform.decide("fraud", keys=keys(120))
    while platform.work.shadows.catch_up(0.0):
        pass
    with platform.catalog.store.read() as connection:
        rows = connection.execute(ShadowRow.__table__.select()).all()
    asked = {row.decision for row in rows}
    people = {e.decision.subject for e in made if e.decision.id in asked}
    assert 0 < len(asked) < 120
    assert all((e.decision.subject in people) == (e.decision.id in asked) for e in made)


def test_its_share_is_of_those_whom_it_decides_as_a_challenger(platform):
    model = shadowed(platform, share=0.5)
    made = platform.decide("fraud", keys=keys(60))
    platform.work.shadows.catch_up()
    with platform.catalog.store.read() as connection:
        asked = {row.decision for row in connection.execute(ShadowRow.__table__.select())}
    publish(platform.catalog.models, app, EAGER, "Bob", challenger=True, share=0.5)
    policy = platform.desk.policy(app)
    mine = [app.flow.chosen(policy, e.decision.row).sha256 == model.sha256 for e in made]
    assert set(mine) == {True, False}
    assert mine == [e.decision.id in asked for e in made]


def test_a_former_challenger_never_was_in_shadow(platform):
    decided = published(platform, LOOSE, challenger=True, share=0.5)
    shadowed(platform)
    with pytest.raises(UnknownName, match="no flow in shadow"):
        platform.work.shadows.compare(app, decided.id)


def test_every_application_has_its_turn_however_much_another_decides(platform, monkeypatch):
    shadows, looked = platform.work.shadows, []
    left = {"fraud": 9, "credit": 2, "business": 1}
    monkeypatch.setattr(shadows, "standing", lambda app: app.name if app.name in left else None)

    def follow(app, _):
        n = min(left[app.name], 1)
        left[app.name] -= n
        looked.extend([app.name] * n)
        return n

    monkeypatch.setattr(shadows, "_follow", follow)
    for _ in left:
        assert shadows.catch_up(0.0) == 1
    assert sorted(looked) == sorted(left)
    assert shadows.catch_up() == 9
    assert (set(left.values()), shadows.catch_up()) == ({0}, 0)


def test_it_becomes_a_challenger_and_another_takes_its_place(platform):
    first = shadowed(platform)
    platform.decide("fraud", keys=keys(20))
    platform.work.shadows.catch_up()
    models = platform.catalog.models
    publish(models, app, EAGER, "Bob", challenger=True, share=0.25)
    assert platform.desk.policy(app)["challenger_share"] == 0.25
    assert platform.work.shadows.standing(app) is None
    assert platform.work.shadows.compare(app, first.id)["rows"] == 20
    second = shadowed(platform, LOOSE)
    assert "challenger" not in platform.desk.policy(app)
    assert platform.work.shadows.standing(app).id == second.id
    withdraw(models, app, second.id, "Bob", "enough")
    with pytest.raises(UnknownName, match="no flow in shadow"):
        platform.work.shadows.compare(app)
    assert platform.work.shadows.compare(app, second.id)["rows"] == 0


def test_a_project_taken_back_to_an_instant_goes_on_from_there(platform):
    shadowed(platform)
    kept = platform.decide("fraud", keys=keys(20))
    then, folder = platform.clock.now(), platform.path
    platform.clock.set(then + hour)
    platform.decide("fraud", keys=keys(20, 20))
    platform.work.settle()
    platform.work.shadows.catch_up()
    platform.close()
    (folder / "seals.json").unlink()
    assert rewind(folder, then) == 20
    with Platform.open(folder, apps=[app], clock=FixedClock(then + 2 * hour)) as again:
        assert len(again.log) == again.catalog.settings.get("followed") == 20
        shadows = again.work.shadows
        assert (shadows.compare(app)["rows"], shadows.catch_up()) == (20, 0)
        again.decide("fraud", keys=keys(30, 40))
        again.work.settle()
        assert again.catalog.settings.get("followed") == 50
        assert shadows.catch_up() == 30
        assert shadows.replay(app)["identical"] == 50
        assert {e.public["id"] for e in kept} <= {e.public["id"] for e in again.log.entries()}


def test_nobody_puts_unread_bytes_in_shadow(platform):
    with pytest.raises(Conflict, match="not approved"):
        publish(platform.catalog.models, app, EAGER, "Bob", shadow=0)


def test_an_erased_person_leaves_outcome_and_codes_only(platform):
    shadowed(platform)
    made = platform.decide("fraud", keys=keys(60))
    platform.work.shadows.catch_up()
    subject = made[0].decision.subject
    mine = sum(e.decision.subject == subject for e in made)
    held = {h["store"]: h["n"] for h in platform.erasing.show(subject)["held"]}
    assert held["shadows"] == mine
    platform.erasing.erase([subject], "asked for it", who="ann", role="admin")
    with platform.catalog.store.read() as connection:
        rows = connection.execute(ShadowRow.__table__.select()).all()
    assert sum(row.sealed is None for row in rows) == mine
    told = platform.work.shadows.replay(app)
    assert (told["identical"], told["erased"]) == (60 - mine, mine)


def test_the_commands(platform):
    flows.propose(platform, "fraud", EAGER, "ann")
    (line,) = flows.listed(platform, "fraud")["flows"]
    flows.approve(platform, "fraud", line["number"], line["sha256"], "bob", "read it")
    flows.publish(platform, "fraud", EAGER, "bob", shadow=True)
    platform.decide("fraud", keys=keys(60))
    told = run(platform, "flow.shadow", {"app": "fraud"})
    assert (told["rows"], told["behind"]) == (60, 0)
    swap = next(s for s in told["swaps"] if s["was"] != s["would_be"])
    asked = {"app": "fraud", "was": swap["was"], "would_be": swap["would_be"]}
    assert len(run(platform, "flow.shadow", asked)["decisions"]) == min(swap["rows"], 20)
    assert run(platform, "flow.shadow.replay", {"app": "fraud"})["identical"] == 60
    with pytest.raises(ContractError, match="decides by code"):
        run(platform, "flow.shadow", {"app": "recommend"})


def test_over_http_and_while_served(platform):
    client = Client(public(platform))
    made = client.post("/v1/apps/fraud/flows", json={"text": EAGER}).json()
    platform.catalog.models.approve(made["number"], "Bob", "read it")
    asked = {"text": EAGER, "shadow": True}
    assert client.post("/v1/apps/fraud/flow", json=asked).json()["stage"] == "challenger"
    stopped = threading.Event()
    keeping = threading.Thread(target=keep_shadowing, args=[platform.work, stopped])
    keeping.start()
    made = platform.decide("fraud", keys=keys(60))
    shadows, model = platform.work.shadows, platform.work.shadows.find(app)
    end = time.monotonic() + 20
    while shadows.behind(model) and time.monotonic() < end:
        time.sleep(0.05)
    stopped.set()
    keeping.join()
    assert shadows.behind(model) == 0
    told = client.get("/v1/apps/fraud/flow/shadow").json()
    assert told["rows"] == 60
    assert told["changed"] > 0
    (line,) = client.get("/v1/trials").json()["shadows"]
    assert (line["number"], line["standing"], line["share"]) == (told["number"], True, 1)
    again = client.get("/v1/apps/fraud/flow/shadow/replay").json()
    assert (again["identical"], again["different"]) == (60, 0)
    # Nobody who asks about a decision hears of it.
    shown = json.dumps([platform.explain(e.decision.id, to="customer") for e in made])
    assert "shadow" not in shown
    assert model.sha256[:12] not in shown
