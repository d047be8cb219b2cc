# SPDX-License-Identifier: Apache-2.0
"""Commands about scorecards: the report of a model, and what another bin or cut-off would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.service.scorecards import PointsModel, compare
from heptad.service.training import keep_variant, split
from heptad.standards.errors import ContractError

if TYPE_CHECKING:
    from heptad.analysis.scorecard import Scorecard
    from heptad.catalog.models import Model
    from heptad.runtime import Platform


class Evidence:
    """A scorecard in the register with the rows that it learned from and those it was measured on.

    Args:
        platform: the open project.
        app: name of the application.
        number: of the model; the one in use by default.
        reader: who asks: purpose, role and who. The rows themselves are read as for a training,
            since only counts and figures are answered.

    Raises:
        ContractError: if the application has no scorecard.
    """

    def __init__(self, platform: Platform, app: str, number: int, reader: dict[str, Any]) -> None:
        models, chosen = platform.catalog.models, platform.app(app)
        aim: dict[str, Any] = {"purpose": None, **reader}
        with platform.reviewing("card", chosen.purpose, **aim, app=app, number=number):
            found = models.get(number) if number else models.champion(app)
        if found is None or found.app != app:
            raise ContractError(f"{app} has no such model.", got=number, do="see `heptad models`")
        estimator = platform.desk.scorer(app, found.sha256).estimator
        if not isinstance(estimator, PointsModel):
            raise ContractError(f"{found.title} is no scorecard.")
        if not {"until", "known"} <= found.settings.keys():
            raise ContractError(
                f"{found.title} does not say which rows it learned from.",
                do=f"train one here: heptad train {app}",
            )
        until, known = found.settings["until"], found.settings["known"]
        who = {name: value for name, value in reader.items() if name == "who"}
        data = platform.training_set(app, until=until, known=known, **who)
        self.model: Model = found
        self.points: PointsModel = estimator
        self.card: Scorecard = estimator.card
        self.fit, self.test = split(data)


def report(
    platform: Platform,
    app: str,
    number: int = 0,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Write the validation report of a scorecard as one HTML page."""
    from heptad.analysis.leaks import check_leaks
    from heptad.analysis.validation import validate
    from heptad.analysis.validation_page import page

    found = Evidence(platform, app, number, _reader(purpose, role, who))
    pack = validate(
        found.card,
        (found.fit.columns, found.fit.target),
        (found.test.columns, found.test.target),
        title=f"{platform.app(app).title}: {found.model.title}",
        data=", ".join(f"{t} {v}" for t, v in sorted(found.model.versions.items())),
        code=platform.app(app).code_version(),
        leaks=check_leaks(found.fit.columns, found.fit.target, decided_at=found.fit.t),
        seed=int(found.model.settings.get("seed", 0)),
        repeats=500,
    )
    regime = {"eu": "EU", "us-2026": "US", "cn": "CN"}.get(platform.project.regime, "none")
    return {"model": found.model.title, "number": found.model.id, "html": page(pack, regime=regime)}


def try_bins(  # noqa: PLR0913, PLR0917 - what a bin is changed by, by name
    platform: Platform,
    app: str,
    input: str = "",  # noqa: A002 - the field's term
    bins: list[int] | None = None,
    reason: str = "",
    by: str = "",
    cut: int | None = None,
    number: int = 0,
    keep: bool = False,
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Say what merged bins, or another cut-off, would change on the rows that were held out.

    The merged card is fitted on the rows of the first one and compared. Nothing is kept unless it
    is asked for; then the card is a candidate, with the reason, until somebody else approves it.

    Args:
        platform: the open project.
        app: name of the application.
        input: whose bins are merged; none by default.
        bins: numbers of neighbouring bins, as `heptad card bins` tells them.
        reason: why they are merged, which the card keeps.
        by: who merges them.
        cut: least points that are approved with the other card; the policy's by default.
        number: of the model; the one in use by default.
        keep: keep the merged card as a candidate.
        purpose: why it is read.
        role: in which role.
        who: who reads.

    Raises:
        ContractError: if a card is to be kept of which no bins are merged.
        UnknownName: if the card has no such input.
    """
    found = Evidence(platform, app, number, _reader(purpose, role, who))
    policy = platform.desk.policy(platform.app(app))
    least = int(policy.get("approve_points") or 0)
    crosses, fit = int(found.model.settings.get("crosses", 0)), found.fit
    other = found.points
    if input:
        other = other.merged(fit.columns, fit.target, input, bins or [], reason, by, crosses)
    if keep and other is found.points:
        raise ContractError("No bins are merged, so there is no other card to keep.")
    kept = _kept(platform, found, other, (input, bins or [], reason, by)) if keep else 0
    return {
        "input": input,
        "kept": kept,
        "bins": _bins(found.card, input) if input else [],
        "would_be": _bins(other.card, input) if input else [],
    } | compare(
        (found.card, other.card),
        (least, least if cut is None else cut),
        found.test,
        float(policy.get("loss_given_default") or 1.0),
    )


def _kept(
    platform: Platform, found: Evidence, other: PointsModel, merged: tuple[str, list[int], str, str]
) -> int:
    """Keep a merged card as a candidate; return its number."""
    name, bins, reason, by = merged
    told = {"input": name, "bins": bins, "reason": reason, "by": by, "of": found.model.id}
    settings = {"merged": [*found.model.settings.get("merged", []), told]}
    platform.room.require()
    kept = keep_variant(
        platform.catalog.models, found.model, other, found.fit, found.test,
        trainer=by, settings=settings,
    )  # fmt: skip
    platform.trace()
    return kept.id


def _bins(card: Scorecard, name: str) -> list[dict[str, Any]]:
    bins = card.bins_[name]
    points = card.parts_[name].points if name in card.parts_ else [0] * len(bins.labels)
    return [
        {"bin": n, "holds": label, "good": int(good), "bad": int(bad), "points": int(p)}
        for n, (label, good, bad, p) in enumerate(
            zip(bins.labels, bins.good, bins.bad, points, strict=True)
        )
    ]


def editor(platform: Platform, app: str, at: int | None = None) -> dict[str, Any]:
    """Return what the console's bin editor begins with: the inputs of the card in use."""
    champion = platform.catalog.models.champion(app, at)
    model = platform.desk.scorer(app, champion.sha256).estimator if champion else None
    names = list(model.card.bins_) if isinstance(model, PointsModel) else []
    return {"app": app, "editor": "bins", "inputs": names}


def _reader(purpose: str, role: str, who: str) -> dict[str, Any]:
    given = {"purpose": purpose, "role": role, "who": who}
    return {name: value for name, value in given.items() if value}
