# SPDX-License-Identifier: Apache-2.0
"""Every cell of every read is decided as Cedar and a plain definition of the rule decide it."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import Platform
from heptad.security.purposes import GROUPS, PURPOSES, ROLES
from heptad.standards.errors import Refused
from heptad.standards.model import MODEL
from heptad.standards.time import FixedClock, format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

cedarpy = pytest.importorskip("cedarpy", reason="pip install 'heptad[dev]' brings cedarpy")

READS = 10_000
WORLDS = 10
NOW = parse_instant("2026-06-01T12:00:00Z")
TABLES = ("Customer", "Account", "Payment", "Contact", "Policy", "Merchant")
GROUP_OF = {"Customer": "identity", "Account": "accounts", "Payment": "behaviour",
            "Contact": "contact", "Policy": "insurance", "Merchant": "public"}  # fmt: skip
PERSONAL = {
    ("Customer", "name"): {"service", "collections"},
    ("Customer", "email"): {"service", "marketing"},
    ("Customer", "phone"): {"service", "marketing"},
    ("Customer", "birth"): {"credit", "service"},
    ("Account", "iban"): {"service"},
    ("Payment", "card"): {"fraud"},
}
"""The personal columns and what they may be opened for, written down a second time."""
PEOPLE = 24
BASES = ["consent", "contract", "legal obligation", "vital interests", "public task",
         "legitimate interests"]  # fmt: skip
WITHDRAWN_BY = {"consent", "legitimate interests"}
STATUSES = ["active", "active", "active", "suspended", "withdrawn", "expired"]


def rows_of_everybody() -> dict[str, list[dict[str, Any]]]:
    """Return a row of each table for each person, with every personal value there is."""
    at, money = "2026-01-01T00:00:00Z", {"currency": "EUR"}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for n in range(PEOPLE):
        own = {"event_time": at, "customer": f"c{n}"}
        found["Customer"].append({"id": f"c{n}", "event_time": at, "name": f"Name{n} Secret",
            "email": f"who{n}@example.com", "phone": f"+3460000{n:04d}",
            "birth": f"19{60 + n}-02-03", "city": "Soria"})  # fmt: skip
        found["Account"].append({"id": f"a{n}", **own, **money, "kind": "current",
            "status": "open", "iban": "ES9121000418450200051332"})  # fmt: skip
        found["Payment"].append({"id": f"p{n}", **own, **money, "amount": "3.00",
            "status": "authorised", "card": "5555555555554444"})  # fmt: skip
        found["Contact"].append({"id": f"k{n}", **own, "channel": "email", "purpose": "news"})
        found["Policy"].append({"id": f"y{n}", **own, **money, "kind": "home", "premium": "9.00"})
        found["Merchant"].append({"id": f"m{n}", "event_time": at, "name": f"Shop {n}"})
    return found


def random_consents(draw: random.Random) -> list[list[dict[str, Any]]]:
    """Return consents in two deliveries; some are changed, corrected, end, or begin later."""
    first, second = [], []
    scopes = [*GROUPS, "all", "all", "behaviour", "identity", "another"]
    for number in range(220):
        row = {"id": f"n{number}", "customer": f"c{draw.randrange(PEOPLE)}", "mode": "direct",
               "purpose": draw.choice([*PURPOSES]), "scope": draw.choice(scopes)}  # fmt: skip
        for _ in range(draw.choice([1, 1, 2])):
            ago = draw.choice([-10, -5, 0, 1, 100, 3_000]) * 3_600_000_000
            at = NOW - ago - draw.randrange(10**6)
            until = draw.choice([None, None, NOW, NOW - 1, at + 40 * 86_400_000_000])
            event = row | {"event_time": format_instant(at), "status": draw.choice(STATUSES),
                           "until": None if until is None else format_instant(until)}  # fmt: skip
            first.append(event)
            if draw.random() < 0.15:
                second.append(event | {"status": draw.choice(STATUSES)})
    return [first, second]


def standing(deliveries: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return how each consent stands now: its last row by now, as it was last delivered."""
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for row in itertools.chain(*deliveries):
        told[row["id"], row["event_time"]] = row
    last: dict[str, dict[str, Any]] = {}
    for row in sorted(told.values(), key=lambda r: parse_instant(r["event_time"])):
        if parse_instant(row["event_time"]) <= NOW:
            last[row["id"]] = row
    for row in last.values():
        ended = row["until"] is not None and parse_instant(row["until"]) < NOW
        row["stands"] = row["status"] == "active" and not ended
    return list(last.values())


def purposes_of(consents: list[dict[str, Any]], person: str, group: str) -> tuple[set, set]:
    """Return the purposes that a person consented to, and those objected to, for a group."""
    own = [c for c in consents if c["customer"] == person and c["scope"] in (group, "all")]
    given = {c["purpose"] for c in own if c["stands"]}
    ended = {c["purpose"] for c in own if c["status"] in ("withdrawn", "suspended")}
    return given, ended - given


Bases = dict[tuple[str, str], str]


def random_bases(draw: random.Random) -> Bases:
    """Return a basis for most pairs of purpose and group."""
    groups = sorted(set(GROUP_OF.values()) - {"public"})
    pairs = itertools.product(PURPOSES, groups)
    return {pair: draw.choice(BASES) for pair in pairs if draw.random() < 0.8}


def oracle(bases: Bases, consents: Any, ask: tuple[str, str, str, int, str]) -> str:
    """The rule in plain words: what is seen of one cell."""
    role, purpose, table, n, column = ask
    group = GROUP_OF[table]
    if purpose not in ROLES[role].purposes:
        return "nothing"
    if group != "public":
        given, objected = purposes_of(consents, f"c{n}", group)
        basis = bases.get((purpose, group))
        if basis is None:
            return "nothing"
        if basis == "consent" and purpose not in given:
            return "nothing"
        if basis == "legitimate interests" and purpose in objected:
            return "nothing"
    allowed = PERSONAL.get((table, column))
    return "open" if allowed is None or purpose in allowed else "masked"


def cedar_policies(bases: Bases) -> str:
    """Write the same rule in Cedar: one permit for each purpose, group and basis."""
    texts = [
        "permit(principal, action == Action::\"read\", resource) when "
        "{ principal.purposes.contains(context.purpose) && resource.group == \"public\" };",
        "permit(principal, action == Action::\"open\", resource) when "
        "{ !context.personal || context.allowed.contains(context.purpose) };",
    ]  # fmt: skip
    for (purpose, group), basis in bases.items():
        also = {"consent": f'&& resource.given.contains("{purpose}")',
                "legitimate interests": f'&& !resource.objected.contains("{purpose}")'}  # fmt: skip
        texts.append(
            'permit(principal, action == Action::"read", resource) when { '
            f'context.purpose == "{purpose}" && principal.purposes.contains("{purpose}") && '
            f'resource.group == "{group}" {also.get(basis, "")} }};'
        )
    return "\n".join(texts)


def cedar_entities(consents: Any) -> list[dict[str, Any]]:
    """Return roles, and a resource for each table and person."""
    roles = [{"uid": {"type": "Role", "id": name}, "attrs": {"purposes": sorted(role.purposes)},
              "parents": []} for name, role in ROLES.items()]  # fmt: skip
    rows = []
    for table, n in itertools.product(TABLES, range(PEOPLE)):
        given, objected = purposes_of(consents, f"c{n}", GROUP_OF[table])
        attrs = {"group": GROUP_OF[table], "given": sorted(given), "objected": sorted(objected)}
        rows.append({"uid": {"type": "Row", "id": f"{table} {n}"}, "attrs": attrs, "parents": []})
    return [*roles, *rows]


def cedar(bases: Bases, consents: Any, asks: list[tuple[str, str, str, int, str]]) -> list[str]:
    """Let Cedar decide."""
    requests = []
    for (role, purpose, table, n, column), action in itertools.product(asks, ("read", "open")):
        allowed = PERSONAL.get((table, column))
        context = {"purpose": purpose, "personal": allowed is not None,
                   "allowed": sorted(allowed or ())}  # fmt: skip
        requests.append({"principal": f'Role::"{role}"', "action": f'Action::"{action}"',
                         "resource": f'Row::"{table} {n}"', "context": context})  # fmt: skip
    found = cedarpy.is_authorized_batch(requests, cedar_policies(bases), cedar_entities(consents))
    assert not any(result.diagnostics.errors for result in found)
    answers = [result.allowed for result in found]
    return [
        "nothing" if not read else "open" if opened else "masked"
        for read, opened in zip(answers[::2], answers[1::2], strict=True)
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Any]]:
    """People with consents that stand, ended, were corrected, or begin later."""
    folder: Path = tmp_path_factory.mktemp("world")
    (folder / "heptad.toml").write_text('[project]\nname = "world"\n', encoding="utf-8")
    deliveries = random_consents(random.Random(7))
    clock = FixedClock(NOW - 3_600_000_000)
    with Platform.open(folder, clock=clock) as platform:
        for name, rows in rows_of_everybody().items():
            platform.store(name, rows)
        for rows in deliveries:
            report = platform.store("Consent", rows)
            assert not report.rejected, report.rejected[:2]
            clock.set(clock.now() + 60_000_000)
        clock.set(NOW)
        yield platform, standing(deliveries)


def with_bases(platform: Platform, bases: Bases) -> None:
    """Let other bases hold than those declared."""
    platform.guard.purposes = {
        name: replace(
            purpose,
            groups=frozenset(),
            besides={group: basis for (why, group), basis in bases.items() if why == name},
        )
        for name, purpose in PURPOSES.items()
    }


class Answers:
    """What the platform answers, read once for each role, purpose and table."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.known = platform, {}

    def __call__(self, ask: tuple[str, str, str, int, str]) -> str:
        """Return what is seen of one cell."""
        role, purpose, table, n, column = ask
        row = self._rows(role, purpose, table).get(rows_of_everybody()[table][n]["id"])
        if row is None:
            return "nothing"
        return "masked" if "•" in str(row[column]) else "open"

    def _rows(self, role: str, purpose: str, table: str) -> dict[str, dict[str, Any]]:
        asked = (role, purpose, table)
        if asked not in self.known:
            try:
                rows = self.platform.read(table, role=role, purpose=purpose).to_pylist()
            except Refused:
                rows = []
            self.known[asked] = {row["id"]: row for row in rows}
        return self.known[asked]


def random_asks(draw: random.Random, n: int) -> list[tuple[str, str, str, int, str]]:
    """Return cells of a few reads; most roles may act for their purpose."""
    columns = {name: [f for f in MODEL[name].fields if f in rows_of_everybody()[name][0]]
               for name in TABLES}  # fmt: skip
    reads = []
    for _ in range(12):
        role = draw.choice([*ROLES])
        open_to = sorted(ROLES[role].purposes)
        purpose = draw.choice(open_to if draw.random() < 0.85 else [*PURPOSES])
        reads.append((role, purpose, draw.choice(TABLES)))
    asks = []
    for _ in range(n):
        role, purpose, table = draw.choice(reads)
        asks.append((role, purpose, table, draw.randrange(PEOPLE), draw.choice(columns[table])))
    return asks


@pytest.mark.slow
def test_ten_thousand_reads_are_decided_as_cedar_and_the_oracle_decide(world) -> None:
    platform, consents = world
    declared = platform.guard.purposes
    seen: dict[str, int] = {"nothing": 0, "masked": 0, "open": 0}
    ended = 0
    try:
        for number in range(WORLDS):
            draw = random.Random(number)
            bases = random_bases(draw)
            asks = random_asks(draw, READS // WORLDS)
            with_bases(platform, bases)
            platform.guard.standings.forget()
            answers = list(map(Answers(platform), asks))
            expected = [oracle(bases, consents, ask) for ask in asks]
            differing = [x for x in zip(asks, answers, expected, strict=True) if x[1] != x[2]]
            assert not differing, differing[:3]
            assert cedar(bases, consents, asks) == expected
            for ask, answer in zip(asks, expected, strict=True):
                seen[answer] += 1
                basis = bases.get((ask[1], GROUP_OF[ask[2]]))
                ended += answer == "nothing" and basis in WITHDRAWN_BY
    finally:
        platform.guard.purposes = declared
    assert sum(seen.values()) == READS
    # The comparison means nothing unless each answer is met often, also by consent.
    assert min(seen.values()) > READS // 50, seen
    assert ended > READS // 50


def test_the_declared_bases_are_those_agreed_on() -> None:
    """Written down a second time: who changes what a purpose may read changes it here too."""
    everything = {*GROUPS, "own"}
    business = {"identity", "accounts", "behaviour", "lending", "cases", "insurance", "assets",
                "own"}  # fmt: skip
    covered = {
        "service": ("contract", (business | {"contact"})),
        "fraud": ("legal obligation", business),
        "compliance": ("legal obligation", business),
        "credit": ("contract", business - {"insurance"}),
        "collections": ("contract", (business | {"contact"}) - {"insurance", "behaviour"}),
        "insurance": ("contract", {"identity", "insurance", "cases", "assets", "own"}),
        "leasing": ("contract", {"identity", "accounts", "lending", "assets", "own"}),
        "advice": ("contract", {"identity", "accounts", "own"}),
        "protection": ("vital interests", {"identity", "accounts", "behaviour", "own"}),
        "reporting": ("public task",
                      {"identity", "accounts", "lending", "insurance", "assets", "own"}),
        "marketing": ("consent", {"identity", "accounts", "behaviour", "contact", "own"}),
        "sharing": ("consent",
                    {"identity", "accounts", "behaviour", "lending", "insurance", "own"}),
        "analytics": ("legitimate interests", (business | {"contact"})),
        "audit": ("legal obligation", everything),
        "legal": ("legal obligation", everything),
    }  # fmt: skip
    besides = {("service", "consent"): "legal obligation", ("insurance", "behaviour"): "consent",
               ("advice", "behaviour"): "consent"}  # fmt: skip
    assert covered.keys() == PURPOSES.keys()
    for (name, (basis, groups)), group in itertools.product(covered.items(), everything):
        expected = besides.get((name, group), basis if group in groups else None)
        assert PURPOSES[name].on(group) == expected, (name, group)
        assert PURPOSES[name].withdrawable == (basis in WITHDRAWN_BY)
