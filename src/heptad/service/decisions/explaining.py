# SPDX-License-Identifier: Apache-2.0
"""Explain a decision to the engineer, the officer and the customer: one record, three renderings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from heptad.service.decisions.sentences import sentence
from heptad.service.features import unit_of
from heptad.standards.errors import InputError, Refused, suggest
from heptad.standards.money import format_minor
from heptad.standards.time import format_duration, format_instant

if TYPE_CHECKING:
    from heptad.service.app import App, Plain
    from heptad.service.decisions.decision import Decision
    from heptad.service.decisions.records import Opened
    from heptad.service.features import Feature
    from heptad.service.reads.guard import Access

Reader = Literal["engineer", "officer", "customer"]
READERS: tuple[Reader, ...] = ("engineer", "officer", "customer")


def explain_under(
    access: Access, entry: Opened, app: App, *, to: str = "officer", language: str = "en"
) -> dict[str, Any]:
    """Explain as `explain` does, if an access may read the decision, and note it there.

    Raises:
        Refused: if the purpose is another, or the person has no basis for it left.
    """
    access.about([entry.subject])
    if not access.decisions(app, [entry]):
        raise Refused(
            f"The person has not, or no longer, agreed to {app.purpose}.",
            do="read it for a review, under the purpose audit or legal",
        )
    return explain(entry, app, to=to, language=language)


def explain(
    entry: Opened, app: App, *, to: str = "officer", language: str = "en"
) -> dict[str, Any]:
    """Render a decision as plain data.

    Args:
        entry: the ledger entry.
        app: the application that decided.
        to: engineer (everything), officer (reasons, values, score, policy) or customer (outcome
            and reasons in words).
        language: of the sentences.

    Raises:
        InputError: if `to` is none of these.
    """
    if to not in READERS:
        raise InputError(
            "A decision is explained to one of three.", got=to, do=suggest(to, READERS)
        )
    if entry.decision is None:
        return _erased(entry)
    decision = entry.decision
    currency = str(decision.row.get("currency") or "EUR")
    found: dict[str, Any] = {
        "id": decision.id,
        "app": decision.app,
        "title": app.title,
        "outcome": decision.outcome,
        "when": format_instant(decision.event_time),
        "reasons": [
            {"code": r.code, "sentence": sentence(app, r, language=language), "numbers": r.numbers}
            for r in decision.reasons
        ],
        "amounts": {name: format_minor(v, currency) for name, v in decision.amounts.items()},
    }
    if to == "customer":
        found["reasons"] = [r["sentence"] for r in found["reasons"]]
        return found
    found |= _for_officer(decision, app)
    return found if to == "officer" else found | _for_engineer(decision, app)


def _erased(entry: Opened) -> dict[str, Any]:
    """Say what is left of the decision about an erased person."""
    public = dict(entry.public)
    return {
        "id": public["id"],
        "app": public["app"],
        "outcome": public["outcome"],
        "when": format_instant(public["event_time"]),
        "reasons": [{"code": code} for code in public["reasons"]],
        "erased": "The person this was about has been erased; the values are gone.",
    }


def _for_officer(decision: Decision, app: App) -> dict[str, Any]:
    """What an officer needs to stand by a decision."""
    score = decision.score
    return {
        "subject": decision.subject,
        "on": f"{decision.on} {decision.row_key}",
        "known": format_instant(decision.known_time),
        "decided": format_instant(decision.decided_at),
        "known_after": format_duration(max(decision.known_time - decision.event_time, 0)),
        "features": [
            {"name": n, "value": v, "unit": _unit(app, n), "means": _means(app, n)}
            for n, v in decision.features.items()
        ],
        "row": dict(decision.row),
        "score": None
        if score is None
        else {
            "probability": score.probability,
            "points": score.points,
            "lost": [{"input": n, "points": p} for n, p in score.contributions],
        },
        "policy": dict(decision.policy),
        "purpose": decision.purpose,
        "basis": decision.basis,
    }


def _for_engineer(decision: Decision, app: App) -> dict[str, Any]:
    """Versions and hashes behind a decision."""
    return {
        "model": decision.model,
        "code": decision.code,
        "code_now": app.code_version(),
        "definitions": {n: f.definition() for n, f in app.features.items()},
        "definitions_version": decision.definitions,
        "tables": dict(decision.tables),
        "environment": dict(decision.environment),
        "propensity": decision.propensity,
        "event_time": decision.event_time,
        "known_time": decision.known_time,
    }


def _feature(app: App, name: str) -> Feature | None:
    return app.features.get(name)


def _unit(app: App, name: str) -> str:
    feature = _feature(app, name)
    return unit_of(feature) if feature is not None else ""


def _means(app: App, name: str) -> str:
    feature = _feature(app, name)
    return feature.sentence() if feature is not None else ""


def shown(value: Plain, unit: str) -> str:
    """Write a feature's value for people.

    >>> shown(123456, "EUR minor units"), shown(None, "events"), shown(0, "instant")
    ('1,234.56 EUR', '–', '1970-01-01T00:00:00Z')
    """
    if value is None:
        return "–"
    if unit.endswith(" minor units") and isinstance(value, int | float):
        return format_minor(round(value), unit.split(maxsplit=1)[0])
    if unit == "instant" and isinstance(value, int):
        return format_instant(value)
    if unit == "fraction" and isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, float):
        return f"{value:,.4g} {unit}"
    return f"{value:,} {unit}" if type(value) is int else str(value)
