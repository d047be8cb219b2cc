# SPDX-License-Identifier: Apache-2.0
"""Publish flows with four eyes: what decides is the bytes that a second person approved, by hash."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from heptad.catalog.models import refuse_trainer
from heptad.service.flows.flows import RIVAL
from heptad.service.flows.published import CHALLENGER, FLOW, SHARE, shelf
from heptad.standards.errors import Conflict, ContractError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heptad.catalog.models import Model, Models, Stage
    from heptad.service.app import App
    from heptad.service.flows.published import Flowing


def flow_of(app: App) -> Flowing:
    """Return the flow of an application.

    Raises:
        ContractError: if its decisions are made by code.
    """
    if app.flow is None:
        raise ContractError(
            f"{app.name} decides by code, not by a flow.", do="declare App(flow=Flowing(…))"
        )
    return app.flow


def propose(models: Models, app: App, text: str, who: str, *, name: str = "flow.yaml") -> Model:
    """Keep a flow as a candidate, after it was read without an error.

    Raises:
        HeptadError: if it cannot be read: file, line and cure.
    """
    made = flow_of(app).read(text, name)
    settings = {"flow": made.name, "version": made.version}
    return models.register(
        f"{app.name}-flow", shelf(app.name), text.encode(), trainer=who, settings=settings
    )


def approve(models: Models, app: App, number: int, sha256: str, who: str, note: str) -> Model:
    """Approve a proposed flow by the hash of the bytes that were read.

    Args:
        models: where flows are kept.
        app: the application.
        number: of the proposal.
        sha256: hash of what the approver has read, at least its first twelve characters.
        who: who approves; somebody else than who proposed it.
        note: why.

    Raises:
        Conflict: if the proposal has other bytes.
        Refused: if the approver proposed it.
        UnknownName: if there is no such proposal.
    """
    found = proposal(models, app, number)
    if len(sha256) < 12 or not found.sha256.startswith(sha256):
        raise Conflict(
            f"{found.title} holds other bytes than those that you read.", got=sha256,
            do=f"read it with `heptad flow show {app.name} --number {number}`: {found.sha256[:12]}",
        )  # fmt: skip
    return models.approve(number, who, note)


def publish(  # noqa: PLR0913 - what is published how, by name
    models: Models,
    app: App,
    text: str,
    who: str,
    *,
    challenger: bool = False,
    shadow: int | None = None,
    share: float = 0.0,
    note: str = "",
) -> Model:
    """Let approved bytes decide: as the flow of an application, or as its challenger.

    A challenger in shadow decides nothing: what it would have decided is recorded beside what is
    decided; see `heptad.service.flows.shadow`.

    Args:
        models: where flows are kept.
        app: the application.
        text: the YAML; only bytes that were approved are taken.
        who: who publishes.
        challenger: let it decide for a share of the subjects only.
        shadow: let it be a challenger that decides nothing, from this entry of the log on.
        share: of the subjects, in (0, 1), chosen by a hash; in shadow (0, 1], 0 for all of them.
        note: why.

    Raises:
        Conflict: if these very bytes were not approved.
        ContractError: if the share is none.
    """
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    kept = [m for m in models.recent(app=shelf(app.name), limit=1000) if m.sha256 == sha256]
    approved = [m for m in kept if m.approver is not None]
    if not approved:
        raise Conflict(
            "These bytes were not approved, so they may not decide.", got=sha256[:12],
            do="propose them, and let a second person approve them",
        )  # fmt: skip
    flow_of(app).read(models.bytes_of(sha256).decode(), f"flow {sha256[:12]}")
    if not challenger and shadow is None:
        return models.promote(approved[0].id, "champion", who, note)
    share = share or float(shadow is not None)
    if not 0 < share < 1 and not (shadow is not None and share == 1):
        raise ContractError(
            "A challenger decides for a share of the subjects.", got=share, do="say 0.1"
        )
    terms = {"share": share} | ({} if shadow is None else {"shadow": shadow})
    return models.promote(approved[0].id, "challenger", who, note, terms=terms, alone=True)


def withdraw(models: Models, app: App, number: int, who: str, note: str) -> Model:
    """Take a flow out of use; without a champion the package's own flow decides again."""
    return models.promote(proposal(models, app, number).id, "retired", who, note)


def in_force(app: App, models: Models, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the policy values that hold, and which published flows decide.

    A flow's own values stand until the project changes them; those of a challenger are told under
    names of their own, so that each decision records all that it rested on.

    Args:
        app: the application.
        models: where flows are kept.
        changes: of the project, see `Desk.changes`.
    """
    if app.flow is None:
        return {**app.policy, **changes}
    champion = models.champion(shelf(app.name))
    found: dict[str, Any] = {**app.policy, **changes}
    if champion is not None:
        found |= {**app.flow.by_hash(champion.sha256).policy, **changes, FLOW: champion.sha256}
    rival = models.challenger(shelf(app.name))
    if rival is not None and shadow_of(models, rival) is None:
        values = {**app.flow.by_hash(rival.sha256).policy, **changes}
        found |= {f"{RIVAL}{name}": value for name, value in values.items()}
        found |= {CHALLENGER: rival.sha256, SHARE: share_of(models, rival)}
    return found


def share_of(models: Models, rival: Model) -> float:
    """Return the share that a challenger was published with.

    Raises:
        ContractError: if it became a challenger without one.
    """
    share = models.terms(rival, "challenger").get("share")
    if share is None:
        app = rival.app.removesuffix(shelf(""))
        raise ContractError(
            f"{rival.title} is a challenger, and nobody said for which share of the subjects.",
            do=f"`heptad flow publish {app} FILE --share 0.1`, or withdraw it",
        )
    return float(share)


def shadow_of(models: Models, rival: Model) -> int | None:
    """Return from which entry of the log on a challenger is in shadow; None if it decides."""
    first = models.terms(rival, "challenger").get("shadow")
    return None if first is None else int(first)


def was_shadow(models: Models, flow: Model) -> bool:
    """Tell whether a flow is, or ever was, a challenger in shadow."""
    return any(e.terms and "shadow" in e.terms for e in models.history(flow.id))


def proposal(models: Models, app: App, number: int) -> Model:
    """Return a proposed flow by its number.

    Raises:
        UnknownName: if the application has none of that number.
    """
    found = models.get(number)
    if found.app != shelf(app.name):
        raise UnknownName(
            f"{app.name} has no flow {number}.", got=number, do=f"see `heptad flow list {app.name}`"
        )
    return found


def refuse_flow(model: Model) -> None:
    """Do not approve a flow as if it were a model: its approver names the bytes that were read.

    Raises:
        Conflict: if it is a flow.
    """
    if model.app.endswith(shelf("")):
        app = model.app.removesuffix(shelf(""))
        raise Conflict(
            f"{model.title} is a flow.", got=model.id,
            do=f"`heptad flow approve {app} {model.id} --sha256 …`",
        )  # fmt: skip


def put_to_work(models: Models, number: int, to: Stage, who: str, note: str) -> Model:
    """Approve a model that somebody else trained, and let it decide or be tried beside what does.

    Args:
        models: where it is kept.
        number: of the model.
        to: champion, or challenger; one that was approved as a challenger may become champion.
        who: who approves.
        note: why.

    Raises:
        UnknownName: if there is no such model.
        Refused: if who approves has trained it.
        Conflict: if it is a flow, or cannot go there from where it is.
    """
    found = models.get(number)
    refuse_flow(found)
    if found.approver is None or (to == "champion" and found.stage != "challenger"):
        models.approve(number, who, note)
    refuse_trainer(found, who)
    return models.promote(number, to, who, note)
