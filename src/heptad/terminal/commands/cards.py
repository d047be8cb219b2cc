# SPDX-License-Identifier: Apache-2.0
"""Commands about scorecards: the report of a model, and what another bin or cut-off would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from heptad.service.training import judged, split
from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from heptad.analysis.scorecard import Scorecard
    from heptad.catalog.models import Model
    from heptad.runtime import Platform
    from heptad.service.scorecards import PointsModel
    from heptad.service.training import TrainingSet


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
        from heptad.service.scorecards import PointsModel

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
        self.kind: type[PointsModel] = type(estimator)
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
    other = _merged(found, input, bins or [], reason, by) if input else found.card
    then = least if cut is None else cut
    if keep and other is found.card:
        raise ContractError("No bins are merged, so there is no other card to keep.")
    kept = _kept(platform, found, other, (input, bins or [], reason, by)) if keep else 0
    return {
        "input": input,
        "kept": kept,
        "bins": _bins(found.card, input) if input else [],
        "would_be": _bins(other, input) if input else [],
    } | _compared(found, other, least, then, float(policy.get("loss_given_default") or 1.0))


def _merged(found: Evidence, name: str, bins: list[int], reason: str, by: str) -> Scorecard:
    from heptad.analysis.merging import merge

    if name not in found.card.bins_:
        raise UnknownName(
            f"The card has no input {name!r}.", got=name, do=suggest(name, found.card.bins_)
        )
    if not bins:
        return found.card
    made = merge(found.card.bins_[name], bins, reason, by=by)
    by_hand = {n: b for n, b in found.card.bins_.items() if b.notes} | {name: made}
    crosses = int(found.model.settings.get("crosses", 0))
    card = found.kind.blank(found.fit.columns, bins=by_hand, crosses=crosses)
    return card.fit(found.fit.columns, found.fit.target)


def _kept(
    platform: Platform, found: Evidence, card: Scorecard, merged: tuple[str, list[int], str, str]
) -> int:
    """Register a merged card as a candidate, measured on the rows held out; return its number."""
    name, bins, reason, by = merged
    first, settings = found.model, found.model.settings
    before = list(settings.get("merged", []))
    told = {"input": name, "bins": bins, "reason": reason, "by": by, "of": first.id}
    estimator = found.kind(card)
    platform.room.require()
    kept = platform.catalog.models.register(
        first.name,
        first.app,
        estimator.to_bytes(),
        trainer=by,
        metrics=judged(estimator, found.fit, found.test, seed=int(settings.get("seed", 0))),
        window=(int(found.fit.t.min()), int(found.test.t.max())),
        features=first.features,
        versions=first.versions,
        settings={**settings, "merged": [*before, told]},
    )
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


def _compared(
    found: Evidence, other: Scorecard, least: int, then: int, lgd: float
) -> dict[str, Any]:
    """Set two cards side by side on the rows that were held out."""
    from heptad.analysis.evaluation import auc
    from heptad.analysis.swaps import swap_set

    test, y = found.test.columns, found.test.target
    was, would_be = found.card.totals(test), other.totals(test)
    told: dict[str, Any] = {"rows": len(y), "cut": [least, then], "swaps": []}
    told["auc"] = [auc(y, -was), auc(y, -would_be)]
    sides = ((found.card, was >= least), (other, would_be >= then))
    told["expected_loss"] = [_loss(card, found.test, side, lgd) for card, side in sides]
    told["approved"] = [float(side.mean()) for _, side in sides]
    if all(side.any() for _, side in sides):
        swap = swap_set(sides[0][1], sides[1][1], y.astype(np.float64))
        told["swaps"] = [
            {"was": "approved" if a else "not", "would_be": "approved" if b else "not",
             "rows": n, "bad": swap.bads[a, b]} for (a, b), n in swap.counts.items()
        ]  # fmt: skip
        told["bad_rate"] = list(swap.bad_rate)
    return told


def _loss(card: Scorecard, test: TrainingSet, approved: Any, lgd: float) -> float | None:
    """Return what is expected to be lost on those approved, in the unit of `amount`."""
    if "amount" not in test.columns:
        return None
    chance = card.predict_proba(test.columns)[:, 1]
    return float((chance * test.columns["amount"] * lgd)[approved].sum())


def editor(platform: Platform, app: str, at: int | None = None) -> dict[str, Any]:
    """Return what the console's bin editor begins with: the inputs of the card in use."""
    from heptad.service.scorecards import PointsModel

    champion = platform.catalog.models.champion(app, at)
    model = platform.desk.scorer(app, champion.sha256).estimator if champion else None
    names = list(model.card.bins_) if isinstance(model, PointsModel) else []
    return {"app": app, "editor": "bins", "inputs": names}


def _reader(purpose: str, role: str, who: str) -> dict[str, Any]:
    given = {"purpose": purpose, "role": role, "who": who}
    return {name: value for name, value in given.items() if value}
