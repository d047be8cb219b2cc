# SPDX-License-Identifier: Apache-2.0
"""S5: fifty planted personal values and secrets come out nowhere: no log, error, metric, statistic."""

from __future__ import annotations

import json
import logging
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import Platform
from heptad.security import envelope
from heptad.terminal.commands import run
from heptad.terminal.http.api import public
from tests.security import scanning
from tests.terminal.calling import ELSEWHERE, LOCAL, Client
from tests.terminal.conftest import heptad

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

N = 10
CARDS = ["4929420573595709", "5311286500342541", "6011439253185087", "4556737586899855",
         "5425233430109903"]  # fmt: skip
PASSPHRASE, PASSWORD = "correct-horse-canary", "dbpass-canary-77"
TOKEN, UNKNOWN = "hvs.canary-token-91", "hep_abcdefgh_canarycanarycanary"
KINDS = ("name", "tax_number", "email", "phone")
TOML = """
[project]
name = "canaries"
allow = ["../source"]

[security]
passphrase = "${env:S5_PASSPHRASE}"

[[source]]
table = "Customer"
from = "../source/customers.csv"

[[source]]
table = "Payment"
from = "../source/payments.csv"

[[source]]
name = "far"
table = "Transfer"
from = "postgresql://bank:${env:S5_PASSWORD}@127.0.0.1:1/bank"
query = "SELECT * FROM transfers"
"""


def person(n: int) -> dict[str, str]:
    """What is known of a customer."""
    return {"id": f"c{n}", "event_time": "2026-01-01", "name": f"Canaria{n} Örnsköld{n}",
            "tax_number": f"TAXCANARY{n:04d}", "email": f"canary{n}@birds{n}.example",
            "phone": f"+34699123{n:03d}", "birth": "1980-01-01", "country": "ES"}  # fmt: skip


def wrong() -> Iterator[dict[str, str]]:
    """Customers' rows that are refused, with personal values where they should not be."""
    for n in range(N):
        one = person(n)
        yield one | {"birth": one["name"]}
        yield one | {"country": one["email"]}
        yield one | {"event_time": one["tax_number"]}
        yield one | {"event_time": "", "id": f"x{n}"}
        yield one | {"name": one["name"] + "\x07"}


def payments() -> Iterator[dict[str, str]]:
    """Payments, every other one refused, with a card number in the right or a wrong place."""
    for n, card in enumerate(CARDS):
        row = {"id": f"p{n}", "event_time": f"2026-03-01T10:0{n}:00Z", "customer": f"c{n}",
               "amount": "10.00", "currency": "EUR", "status": "authorised", "card": card}  # fmt: skip
        yield row
        for field in ("currency", "status", "event_time"):
            yield row | {"id": f"w{n}{field}", field: card}
        yield row | {"id": f"t{n}", "card": card + "0"}
        yield row | {"id": f"u{n}", "amount": person(n)["name"], "status": person(n)["email"]}


SECRETS = [PASSPHRASE, PASSWORD, TOKEN, UNKNOWN]
CANARIES = [person(n)[kind] for n in range(N) for kind in KINDS] + CARDS + SECRETS


def csv(rows: list[dict[str, str]]) -> str:
    names = list(rows[0])
    return "\n".join([",".join(names), *(",".join(row[n] for n in names) for row in rows)]) + "\n"


@pytest.fixture
def told(tmp_path, monkeypatch, caplog) -> list[str]:
    """Everything that is said: by commands, over HTTP, in logs; the folder for temporary files."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    monkeypatch.setattr(
        envelope, "_ARGON2ID", {"time_cost": 1, "memory_cost": 64, "parallelism": 1}
    )
    monkeypatch.setenv("S5_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("S5_PASSWORD", PASSWORD)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return []


def commands(folder: Path, told: list[str]) -> None:
    """Run commands, good and bad ones."""
    for words in (
        ["load", "Customer"], ["load", "Payment"], ["load", "far"], ["load"], ["loads"],
        ["decide", "fraud"], ["decisions"], ["doctor"], ["config"], ["log", "verify"],
        ["tables", "rows", "Customer"], ["tables", "rows", "Payment"], ["tables", "show", "Customer"],
        ["quarantine", "list"], ["quarantine", "show", "Customer", "--limit", "500"],
        ["quarantine", "show", "Payment", "--limit", "500"], ["quarantine", "retry", "Customer"],
        ["lineage", "Customer.name"], ["apps", "fraud", "held"], ["subject", "show", "c1"],
        ["access"], ["features", "--app", "fraud"], ["compact"], ["retention"],
        ["subject", "erase", "c9", "--reason", f"{person(9)['name']} asked"],
        ["tables", "rows", "Customer", "--purpose", "marketing"],
        ["load", "customers"], ["tables", "show", "Custmer"],
        ["explore", "SELECT cast(name AS INT), cast(email AS DATE) FROM Customer", "--purpose", "service"],
        ["explore", "SELECT cast(concat(tax_number, phone) AS INT) FROM Customer", "--purpose", "service"],
    ):  # fmt: skip
        more = ["--json"] if len(told) % 2 else []
        said = heptad(*words, *more, project=folder)
        told.append(f"$ {' '.join([*words, *more])[:40]}\n{said.out}\n{said.err}")


def calls(folder: Path, told: list[str]) -> str:
    """Call the API, rightly and wrongly; return the key that was issued."""
    with Platform.open(folder) as platform:
        text = str(run(platform, "keys.issue", {"role": "admin", "purposes": ["service"]})["key"])
        near, far = Client(public(platform), LOCAL), Client(public(platform), ELSEWHERE)
        key = {"Authorization": f"Bearer {text}"}
        bad = {"Authorization": f"Bearer {UNKNOWN}"}
        for client, headers in ((near, key), (far, key), (far, bad), (far, {})):
            answers = [
                client.post("/v1/tables/Customer/rows", json=list(wrong()), headers=headers),
                client.post("/v1/tables/Payment/rows", json=list(payments()), headers=headers),
                client.post("/v1/tables/Customer/rows", content=json.dumps(person(3))[:-3],
                            headers=headers | {"content-type": "application/json"}),
                client.post("/v1/tables/Customer/rows", json=[person(4) | {"birth": [person(4)["name"]]}],
                            headers=headers),
                client.post("/v1/apps/fraud/decide", headers=headers,
                            json={"row": next(payments()) | {"id": "n1", "amount": person(5)["name"]}}),
                client.post("/v1/apps/fraud/decide", headers=headers,
                            json={"row": {"card": CARDS[0]}}),
                client.get("/v1/tables/Customer/rows", headers=headers),
                client.get("/v1/tables/Customer", headers=headers),
                client.get("/v1/decisions", headers=headers),
                client.get("/v1/loads", headers=headers),
                client.get("/metrics", headers=headers),
                client.get("/openapi.json", headers=headers),
            ]  # fmt: skip
            told += [
                f"{a.request.method} {a.request.url} {a.status_code}\n{a.text}" for a in answers
            ]
        for opened in platform.log.entries():
            for to in ("officer", "engineer", "customer"):
                told.append(str(platform.explain(opened.public["id"], to=to)))
        told.append(str(platform.replay().to_dict()))
        told += [
            str(p) for t in ("Customer", "Payment") for p in platform.catalog.quality.latest(t)
        ]
    return text


def refusals(folder: Path, told: list[str], monkeypatch: Any) -> None:
    """Open the project wrongly."""
    toml = (folder / "heptad.toml").read_text()
    for env, text in (
        ({"S5_PASSPHRASE": PASSPHRASE[:-1]}, toml),
        ({}, toml.replace("${env:S5_PASSPHRASE}", PASSPHRASE)),
        ({}, toml.replace("${env:S5_PASSWORD}", PASSWORD)),
        ({"BAO_TOKEN": TOKEN}, toml.replace("[security]", '[security]\nkeys = "vault:https://127.0.0.1:1/transit/x"')),
        ({}, toml.replace("[security]", f'[security]\ntoken = "{TOKEN}"')),
        ({}, toml.replace("[security]", f'[security]\nkeys = "vault:https://u:{TOKEN}@h/transit/x"')),
    ):  # fmt: skip
        (folder / "heptad.toml").write_text(text)
        with monkeypatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            said = heptad("doctor", project=folder)
        assert said.code != 0, text
        told.append(said.out + said.err)
    (folder / "heptad.toml").write_text(toml)


def quoting(folder: Path, canaries: list[str]) -> dict[str, str]:
    """Return what each canary was said in, around it."""
    found = {}
    for text, places in scanning.found(folder, canaries).items():
        said = (folder.parent / places[0]).read_text()
        at = said.lower().find(text.lower())
        found[text] = f"{said[:40]} … {said[max(at - 120, 0) : at + 40]}"
    return found


@pytest.mark.slow
def test_fifty_canaries_come_out_nowhere(tmp_path, told, caplog, monkeypatch):
    source, folder = tmp_path / "source", tmp_path / "bank"
    source.mkdir()
    folder.mkdir()
    (source / "customers.csv").write_text(csv([*map(person, range(N)), *wrong()]))
    (source / "payments.csv").write_text(csv(list(payments())))
    (folder / "heptad.toml").write_text(TOML)
    commands(folder, told)
    key = calls(folder, told)
    refusals(folder, told, monkeypatch)
    canaries = [*CANARIES, key]
    assert len(canaries) == 50

    (tmp_path / "said").mkdir()
    for n, text in enumerate([*told, caplog.text]):
        (tmp_path / "said" / f"{n}.txt").write_text(text)
    assert len(told) > 60
    assert any("quarantin" in text for text in told)
    assert quoting(tmp_path / "said", canaries) == {}
    planted = tmp_path / "said" / "planted"
    planted.write_text(person(6)["email"].upper())
    assert len(scanning.found(tmp_path / "said", canaries)) == 1  # the search finds what is there
    planted.unlink()
    assert scanning.found(folder, canaries) == {}
    assert scanning.found(tmp_path / "tmp", canaries) == {}
