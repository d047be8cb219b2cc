# SPDX-License-Identifier: Apache-2.0
"""Commands about rules and flows: check, test, draw, back-test, propose, approve, publish."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from heptad.service.flows import publishing
from heptad.service.flows.drawing import mermaid, svg, to_plain
from heptad.service.flows.published import shelf
from heptad.service.reads.guard import APPLICATION
from heptad.standards.errors import InputError, Refused, suggest
from heptad.standards.time import EARLIEST, LATEST, format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from heptad.catalog.models import Model
    from heptad.runtime import Platform
    from heptad.service.flows.flows import Flow
    from heptad.service.rules.rules import RuleSet

FORMS = ("json", "mermaid", "svg")


def _rules(platform: Platform, text: str, name: str, app: str) -> RuleSet:
    from heptad.service.rules.files import read_rules

    features = platform.app(app).features if app else {}
    return read_rules(text, platform.tables, features, name=name)


def check(platform: Platform, text: str, name: str = "rules.yaml", app: str = "") -> dict[str, Any]:
    """Read a rule set, or the flow of an application, and say what it holds.

    Raises:
        HeptadError: with file, line, what and cure.
    """
    if app and text.lstrip().startswith(("flow:", "#")) and "\nstages:" in text:
        flow = publishing.flow_of(platform.app(app)).read(text, name)
        rules = [rule for stage in flow.stages for rule in stage.rules.rules]
        about = {"kind": "flow", "name": flow.name, "version": flow.version, "on": flow.on}
        sha256 = flow.sha256
    else:
        found = _rules(platform, text, name, app)
        rules, sha256 = list(found.rules.rules), found.sha256
        about = {"kind": "rules", "name": found.name, "version": found.version, "on": found.on}
    listed = [{"code": r.code, "outcome": r.outcome, "when": r.when.title} for r in rules]
    return about | {"sha256": sha256, "rules": listed}


def try_rules(
    platform: Platform,
    text: str,
    rows: Sequence[Mapping[str, Any]],
    name: str = "rules.yaml",
    app: str = "",
) -> dict[str, Any]:
    """Ask a rule set of rows given as plain values by column; say which rules fire."""
    found = _rules(platform, text, name, app)
    policy = {f"policy.{n}": v for n, v in found.policy.items()}
    answers: list[dict[str, Any]] = []
    for n, row in enumerate(rows):
        try:
            fired = found.rules.fired({**policy, **row})
        except (TypeError, AttributeError) as error:
            raise InputError(
                "A row has a value of another type than its column.", got=str(error),
                place=f"row {n + 1}", do="numbers without quotes; instants as microseconds",
            ) from error  # fmt: skip
        answers.append({"row": n + 1, "fired": [found.rules.rules[i].code for i in fired]})
    counts = Counter(code for a in answers for code in a["fired"])
    return {"answers": answers, "counts": dict(sorted(counts.items()))}


def _flow(platform: Platform, app: str, number: int) -> Flow:
    flowing = publishing.flow_of(platform.app(app))
    if not number:
        wanted = platform.desk.policy(platform.app(app)).get("flow")
        return flowing.by_hash(str(wanted)) if wanted else flowing.own
    model = publishing.proposal(platform.catalog.models, platform.app(app), number)
    return flowing.read(platform.catalog.models.read(model).decode(), f"flow {number}")


def show(platform: Platform, app: str, number: int = 0, form: str = "json") -> dict[str, Any]:
    """Show the flow in force, or a proposed one: as plain data, Mermaid, SVG, with its text."""
    if form not in FORMS:
        raise InputError(
            "A flow is drawn in one of three forms.", got=form, do=suggest(form, FORMS)
        )
    flow = _flow(platform, app, number)
    plain = to_plain(flow)
    drawn = {"mermaid": mermaid, "svg": svg}
    return plain | {"text": flow.text, "drawing": drawn[form](plain) if form in drawn else ""}


def read(platform: Platform, app: str, text: str, name: str = "flow.yaml") -> dict[str, Any]:
    """Read a flow that is being written, as plain data; it is not kept.

    Raises:
        HeptadError: with line, what and cure, if it cannot be read.
    """
    flow = publishing.flow_of(platform.app(app)).read(text, name)
    return to_plain(flow) | {"text": text, "drawing": ""}


def listed(platform: Platform, app: str) -> dict[str, Any]:
    """List the flows of an application that were proposed, newest first."""
    publishing.flow_of(platform.app(app))
    models = platform.catalog.models.recent(app=shelf(app), limit=200)
    return {"flows": [line(model) for model in models]}


def line(model: Model) -> dict[str, Any]:
    """Return one proposed flow as a line of a list."""
    return {
        "number": model.id, "flow": model.settings.get("flow"),
        "version": model.settings.get("version"), "sha256": model.sha256, "stage": model.stage,
        "proposed by": model.trainer, "proposed": format_instant(model.trained),
        "approved by": model.approver,
    }  # fmt: skip


def propose(
    platform: Platform, app: str, text: str, who: str, name: str = "flow.yaml"
) -> dict[str, Any]:
    """Keep a flow as a candidate for somebody else to approve."""
    chosen = platform.app(app)
    return line(publishing.propose(platform.catalog.models, chosen, text, who, name=name))


def approve(
    platform: Platform, app: str, number: int, sha256: str, who: str, note: str
) -> dict[str, Any]:
    """Approve a proposed flow by the hash of the bytes that were read."""
    chosen = platform.app(app)
    return line(publishing.approve(platform.catalog.models, chosen, number, sha256, who, note))


def publish(  # noqa: PLR0913, PLR0917 - what is published how
    platform: Platform,
    app: str,
    text: str,
    who: str,
    share: float = 0.0,
    note: str = "",
    shadow: bool = False,
) -> dict[str, Any]:
    """Let approved bytes decide; with a share, as the challenger of so many subjects.

    A challenger in shadow is asked beside what is decided from now on, and decides nothing.
    """
    chosen, models = platform.app(app), platform.catalog.models
    how: dict[str, Any] = {"shadow": len(platform.log)} if shadow else {"challenger": bool(share)}
    return line(publishing.publish(models, chosen, text, who, **how, share=share, note=note))


def withdraw(platform: Platform, app: str, number: int, who: str, note: str) -> dict[str, Any]:
    """Take a flow out of use."""
    chosen = platform.app(app)
    return line(publishing.withdraw(platform.catalog.models, chosen, number, who, note))


def change(
    platform: Platform,
    id: str,  # noqa: A002 - the field's term
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Say which smallest permitted changes would have had a decision approved; none if none would.

    Raises:
        Refused: if the purpose is another, or the person has no basis for it left or is erased.
    """
    from heptad.service.decisions.counterfactual import what_would_change
    from heptad.terminal.commands.decisions import full_id

    entry = platform.log.get(full_id(platform, id))
    app = platform.app(str(entry.public["app"]))
    asked = {"purpose": purpose or None, "role": role, "who": who, "decision": entry.public["id"]}
    with platform.reviewing("change", app.purpose, **asked) as access:
        access.about([entry.subject])
        then = entry.decision
        if then is None or not access.decisions(app, [entry]):
            raise Refused("The person has no basis for it left, or is erased.", got=id)
        x = then.inputs()
        levers = publishing.flow_of(app).chosen(x.policy, x.row).levers
        scorer = platform.desk.scorer(app.name, then.model) if then.model else None
        found = what_would_change(app, x, levers, scorer=scorer)
    return {
        "id": then.id, "outcome": then.outcome, "would_be": found.outcome,
        "changes": [{"name": c.name, "now": c.now, "to": c.to} for c in found.changes],
        "amounts": dict(found.amounts), "tried": found.tried, "complete": found.complete,
    }  # fmt: skip


def backtest(  # noqa: PLR0913, PLR0917 - what is tried how
    platform: Platform,
    app: str,
    text: str = "",
    name: str = "flow.yaml",
    number: int = 0,
    since: str = "",
    until: str = "",
    label: str = "",
    false_alarm: int = 0,
    purpose: str = "",
    role: str = "",
    who: str = "",
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Decide history by the flow in force and by another one; say what would change."""
    from heptad.service.flows.backtest import backtest as tried_on
    from heptad.service.flows.backtest import gather

    chosen = platform.app(app)
    flowing = publishing.flow_of(chosen)
    tried = flowing.read(text, name) if text else _flow(platform, app, number)
    between = (
        parse_instant(since) if since else EARLIEST,
        parse_instant(until) if until else LATEST,
    )
    circumstances = platform.desk.circumstances(chosen, None)
    # Only counts are answered: it is read as the application itself reads, as for a training.
    reader = {
        "role": role or APPLICATION, "who": who or platform.who,
        "purpose": purpose or chosen.purpose,
    }  # fmt: skip
    with platform.guard.reading("backtest", **reader, app=app, sha256=tried.sha256) as access:
        history = gather(
            chosen, platform.reads.under(access), circumstances.scorer,
            between=between, label=label, policy=circumstances.policy, progress=progress,
        )  # fmt: skip
        access.read.rows = history.n
    report = tried_on(
        _flow(platform, app, 0), tried, history,
        policy=platform.desk.changes(chosen), false_alarm=false_alarm, progress=progress,
    ).to_dict()  # fmt: skip
    return report | {
        "app": app,
        "tried": tried.sha256,
        "drawing": mermaid(to_plain(tried, report["then"])),
    }
