# SPDX-License-Identifier: Apache-2.0
"""Propose a list for a visit: allowed, recalled, ranked, re-ranked, with a reason for each item."""

from __future__ import annotations

import json
import threading
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from heptad.analysis.recommend.interactions import histories
from heptad.analysis.recommend.pipeline import Pipeline
from heptad.analysis.recommend.reranking import Reranking
from heptad.analysis.recommend.signals import RECENT, People
from heptad.analysis.recommend.storing import from_bytes
from heptad.apps.recommend.decide import PURPOSE, house_of, person_of, quotas_of
from heptad.apps.recommend.learning import hour_of, moment
from heptad.apps.recommend.shelf import Shelf
from heptad.apps.recommend.tables import Item
from heptad.service.reads.asof import read_sql
from heptad.standards.errors import HeptadError
from heptad.standards.model import Holding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from heptad.analysis.arrays import Array, Codes
    from heptad.analysis.recommend.pipeline import Slate
    from heptad.analysis.recommend.ranker import Ranker
    from heptad.catalog.models import Model, Models

APP = "recommend"
SURE = 0.5
"""Confidence from which on an association rule is named as the reason."""
ASKED = {"purpose": PURPOSE, "role": "app", "who": APP}
"""As whom an application reads."""


@dataclass(frozen=True)
class Asking:
    """One request as the models see it.

    Attributes:
        chosen: (h,) places on the shelf, oldest first.
        context: name → code.
        idle_days: since the last event, NaN without one.
    """

    chosen: Sequence[int]
    context: Mapping[str, int]
    idle_days: float


class Advisor:
    """A shelf and the approved ranker: what a project recommends from now.

    Args:
        shelf: the items on offer.
        ranker: the approved one with the ids that it knows; None before there is one.
        sha256: hash of the ranker's bytes.
    """

    def __init__(
        self, shelf: Shelf, ranker: tuple[Ranker, Mapping[str, Any]] | None, sha256: str
    ) -> None:
        self.shelf, self.sha256 = shelf, sha256
        self.ranker = ranker[0] if ranker else None
        ids: Sequence[str] = ranker[1]["items"] if ranker else []
        known = {name: code for code, name in enumerate(ids)}
        self._known = np.array([known.get(str(r["id"]), -1) for r in shelf.items], dtype=np.int64)
        self._place = np.array([shelf.codes.get(name, -1) for name in ids], dtype=np.int64)

    @cached_property
    def safe(self) -> Codes:
        """(items,) places on the shelf by popularity, the newest first among equals."""
        counts = np.zeros(len(self.shelf))
        if self.ranker is not None:
            old = self._known >= 0
            counts[old] = self.ranker.signals_.lately_[1][self._known[old]]
        since = np.array([row["event_time"] for row in self.shelf.items], dtype=np.int64)
        return np.lexsort((-since, -counts))

    def people(self, asking: Asking) -> People:
        """Return the person as the ranker reads them: what it knows of their history."""
        n = len(self._place)
        codes = [int(self._known[p]) for p in asking.chosen if self._known[p] >= 0]
        rows, lately = histories([codes], n), histories([codes], n)
        steps = {code: len(codes) - 1 - at for at, code in enumerate(codes)}
        lately.data[:] = [np.exp(-steps[int(code)] / RECENT) for code in lately.indices]
        context = {name: np.array([code]) for name, code in asking.context.items()}
        return People(rows, lately, np.array([asking.idle_days]), context)

    def slate(
        self, asking: Asking, allowed: NDArray[Any], n: int, policy: Mapping[str, Any], seed: int
    ) -> Slate:
        """Make a list of at most n allowed items."""
        way, rerank = _Request(self, asking), self.reranking(asking, policy)
        wide = rerank.value > 0 or rerank.quotas
        plan = Pipeline(
            way.recall, way if self.ranker is not None else None, self.shelf.categories, self.safe,
            narrow=max(100 if wide else 20, 2 * n), rerank=rerank,
            explore=float(policy["explore"]), budget_s=float(policy["budget_ms"]) / 1000,
        )  # fmt: skip
        return plan.recommend(way.people, allowed, n, seed=seed)

    def reranking(self, asking: Asking, policy: Mapping[str, Any]) -> Reranking:
        """Return what the policy weighs against the ranker's order, for one person."""
        own = self.shelf.categories[list(asking.chosen)].sum(axis=0)
        place = {name: i for i, name in enumerate(self.shelf.names)}
        quotas = {place[n]: most for n, most in quotas_of(policy).items() if n in place}
        return Reranking(
            str(policy["rerank"]), float(policy["variety"]), float(policy["value"]), quotas,
            self.shelf.values, own / max(own.sum(), 1.0),
        )  # fmt: skip

    def because(self, asking: Asking, place: int) -> tuple[str, str]:
        """Say why an item is there: a code, and the title of what it is like, if it is like something."""
        code = int(self._known[place]) if self.ranker is not None else -1
        if code < 0 or self.ranker is None:
            return "NEW", ""
        chosen = [p for p in asking.chosen if self._known[p] >= 0]
        if not chosen:
            return "POPULAR", ""
        models = self.ranker.signals_.models_
        weights = models["ease" if "ease" in models else "neighbours"].weights_
        pull = np.asarray(weights[self._known[chosen]][:, [code]].todense()).ravel()
        missing = self._missing(chosen, code)
        if missing is not None:
            return "GOES_WITH", str(self.shelf.items[missing]["title"])
        best = int(pull.argmax())
        if pull[best] <= 0:
            return "POPULAR", ""
        # One past item that carries a good part of it is named; else it is many together.
        if pull[best] < 0.15 * pull[pull > 0].sum():
            return "ALIKE", ""
        return "BECAUSE", str(self.shelf.items[chosen[best]]["title"])

    def _missing(self, chosen: Sequence[int], code: int) -> int | None:
        """Return the chosen item of the surest association rule that an item completes."""
        assert self.ranker is not None  # noqa: S101 - asked of a ranker only
        rules = self.ranker.signals_.models_["rules"].weights_
        sure = np.asarray(rules[self._known[list(chosen)]][:, [code]].todense()).ravel()
        best = int(sure.argmax())
        return chosen[best] if sure[best] >= SURE else None


class _Request:
    """Recall and ranking of one request, between places on the shelf and codes of the ranker."""

    def __init__(self, advisor: Advisor, asking: Asking) -> None:
        self.advisor, self.asking = advisor, asking
        n = len(advisor.shelf) if advisor.ranker is None else 0
        self.people = advisor.people(asking) if not n else _nobody(n)

    def recall(self, people: People, allowed: NDArray[Any], n: int) -> Codes:
        """Let the ranker's models vote among what is allowed, and add what is new."""
        known, ranker = self.advisor._known, self.advisor.ranker
        new = np.flatnonzero(allowed & (known < 0))
        new = new[np.argsort(-self._taste(new), kind="stable")]
        if ranker is None:
            return new[:n]
        place = self.advisor._place
        inside = np.zeros(len(place), dtype=bool)
        inside[place >= 0] = allowed[place[place >= 0]]
        found = ranker.recall(people, inside).items[0]
        found = place[found[found >= 0]]
        few = new[: max(1, n // 10)]
        return np.concatenate([found[: n - len(few)], few])

    def _taste(self, places: Codes) -> Array:
        """How well the categories of items fit those of the history."""
        table = self.advisor.shelf.categories
        mine = table[list(self.asking.chosen)].sum(axis=0)
        each = np.maximum(table[places].sum(axis=1), 1)
        return np.asarray(table[places] @ mine / (each * max(mine.sum(), 1)))

    def score(self, people: People, items: Codes) -> Array:
        """Rank what the ranker knows; what is new stands where its categories would."""
        ranker, known = self.advisor.ranker, self.advisor._known
        assert ranker is not None  # noqa: S101 - a pipeline without one asks for no scores
        places = items[0]
        codes = known[places]
        old = codes >= 0
        found = np.zeros(len(places))
        found[old] = ranker.score(people, codes[old][None])[0]
        if not old.all():
            found[~old] = self._new_scores(places, old, found)
        return found[None]

    def _new_scores(self, places: Codes, old: NDArray[Any], found: Array) -> Array:
        """Score new items as the mean of the known ones, weighted by shared categories."""
        table = self.advisor.shelf.categories[places]
        alike = table[~old] @ table[old].T + 1e-6
        if not old.any():
            return self._taste(places[~old])
        return np.asarray(alike @ found[old] / alike.sum(axis=1))


def _nobody(n: int) -> People:
    from heptad.analysis.recommend.signals import empty

    return empty(n)


_ADVISORS: WeakKeyDictionary[Any, dict[str, tuple[tuple[Any, ...], Advisor]]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def advisor_of(platform: Any, stage: str = "champion") -> Advisor:
    """Return what a project recommends from; made again when items or the ranker have changed.

    Args:
        platform: the open project.
        stage: of the ranker: `champion`, or `challenger` for the last approved one of them.
    """
    model = _model_of(platform.catalog.models, stage)
    version = (platform.reads.stored(Item).relation, platform.lake.version(Item.__name__))
    stamp = (*version, model.sha256 if model else "")
    with _LOCK:
        kept = _ADVISORS.setdefault(platform, {})
        held = kept.get(stage)
        if held is not None and held[0] == stamp:
            return held[1]
        # Champion and challenger recommend from one shelf.
        shelf = next((a.shelf for of, a in kept.values() if of[:2] == version), None)
        if shelf is None:
            shelf = Shelf.of(platform.read(Item.__name__, **ASKED).to_pylist())
        ranker = None
        if model is not None:
            ranker = from_bytes(platform.catalog.models.bytes_of(model.sha256))
        made = Advisor(shelf, ranker, model.sha256 if model else "")
        kept[stage] = (stamp, made)
        return made


def _model_of(models: Models, stage: str) -> Model | None:
    """Return the ranker of a stage; of challengers the last one that somebody else approved."""
    if stage == "champion":
        return models.champion(APP)
    last = models.challenger(APP)
    # Whatever makes lists that people see was approved by somebody who did not train it.
    if last is None or last.approver is not None:
        return last
    tried = models.recent(app=APP, stage="challenger", limit=20)
    return next((m for m in tried if m.approver is not None), None)


def chosen_by(
    platform: Any, customer: str, policy: Mapping[str, Any]
) -> tuple[str, Advisor | None]:
    """Return whose ranker makes a customer's lists, and the other's advisor where it is asked too.

    A customer stays with one ranker for as long as the trial's share stands: what is drawn from is
    the name, so that nobody sees the lists of both.
    """
    share, shadow = float(policy["trial"]), bool(policy["shadow"])
    if not (share or shadow):
        return "champion", None
    challenger = advisor_of(platform, "challenger")
    if challenger.ranker is None:
        return "champion", None
    drawn = zlib.crc32(f"trial {challenger.sha256} {customer}".encode()) / 2**32
    stage = "challenger" if drawn < share else "champion"
    other = advisor_of(platform) if stage == "challenger" else challenger
    return stage, other if shadow else None


def prepare(platform: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the list of a new visit; a list that a caller sends is dropped."""
    plain = {name: value for name, value in row.items() if name != "slate"}
    try:
        hour_of(plain.get("event_time"))
    except (HeptadError, ValueError):
        # Ingest says what is wrong with it.
        return plain
    if plain.get("customer") is None:
        return plain
    return plain | {"slate": propose(platform, plain)}


def propose(platform: Any, row: Mapping[str, Any]) -> str:
    """Return the list for a visit as JSON: items with terms and reasons, what was left out, steps."""
    app = platform.app(APP)
    policy, wanted = platform.desk.policy(app), list(app.features.values())
    stage, other = chosen_by(platform, str(row["customer"]), policy)
    advisor = advisor_of(platform, stage)
    known = platform.online({"Customer": str(row["customer"])}, wanted, **ASKED)
    shelf = advisor.shelf
    dismissed = known["dismissed"] or []
    chosen = [shelf.codes[i] for i in known["chosen"] or [] if i in shelf.codes]
    held = held_by(platform, str(row["customer"]))
    person, house = person_of(row, known, held), house_of(policy)
    allowed, left = shelf.allowed(person, house, str(row.get("catalogue")), dismissed, chosen)
    idle = known["idle"]
    asking = Asking(
        chosen, moment(hour_of(row["event_time"]), row.get("channel")),
        np.nan if idle is None else idle / 86_400,
    )  # fmt: skip
    n = int(row.get("n") or policy["n"])
    seed = zlib.crc32(str(row.get("id")).encode())
    slate = advisor.slate(asking, allowed, n, policy, seed)
    if slate.passed:
        left["QUOTA"] += slate.passed
    told: dict[str, Any] = {"left": dict(left), "held": list(held)}
    if advisor.ranker is not None:
        told["variant"] = stage
    if other is not None:
        beside = other.slate(asking, allowed, n, dict(policy) | {"explore": 0.0}, seed)
        told["shadow"] = [str(shelf.items[place]["id"]) for place in beside.items.tolist()]
    return _written(advisor, asking, slate, told)


def held_by(platform: Any, customer: str) -> list[str]:
    """Return the products that a customer holds now."""
    with platform.guard.reading("held", **ASKED, customer=customer) as access:
        access.about([f"Customer:{customer}"])
        reads = platform.reads.under(access)
        columns = ("id", "customer", "product", "active")
        held = read_sql(Holding, reads.stored(Holding).relation, t=None, k=None, columns=columns)
        sql = f"SELECT DISTINCT product FROM ({held}) WHERE customer = ? AND active ORDER BY ALL"
        found = reads.queries.arrow(sql, [customer]).column(0).to_pylist()
        access.read.rows = len(found)
    return [str(product) for product in found]


def _written(advisor: Advisor, asking: Asking, slate: Slate, told: Mapping[str, Any]) -> str:
    entries = []
    for place, score, propensity in zip(
        slate.items.tolist(), slate.scores.tolist(), slate.propensity.tolist(), strict=True
    ):
        why, because = advisor.because(asking, place)
        if propensity < 0.5:
            why = "DRAWN"
        entries.append(
            advisor.shelf.entry(place)
            | {"why": why, "because": because, "score": round(score, 6), "propensity": propensity}
        )
    steps = [[s.name, s.given, s.kept, s.microseconds] for s in slate.trace]
    return json.dumps(
        {"items": entries, "steps": steps, "fallback": slate.fallback, "model": advisor.sha256, **told},
        ensure_ascii=False,
    )  # fmt: skip
