# SPDX-License-Identifier: Apache-2.0
"""C2: after an erasure nothing of the person is left that could be read, and nobody else changes."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from heptad.engine.local.rows import Rows
from heptad.engine.protocols import Family
from heptad.runtime import Platform
from heptad.security.envelope import Kek
from heptad.security.keys import Keys
from heptad.standards.errors import Corrupt, HeptadError, Refused
from tests.security import openbao, scanning

if TYPE_CHECKING:
    from pathlib import Path

N = 12
GONE = "k0003"
TOML = """
[project]
name = "bank"
allow = ["../source"]
{security}
[[source]]
table = "Customer"
from = "../source/customers*.csv"
[source.map]
id = "'k' || lpad(number, 4, '0')"

[[source]]
table = "Payment"
from = "../source/payments.csv"
"""


def person(n: int) -> dict[str, str]:
    """What is known of a customer."""
    return {
        "number": str(n), "event_time": "2026-01-01", "name": f"Änna-{n} Çanarysdottir{n}",
        "tax_number": f"TAX-{n:03d}-CANARY", "email": f"anna{n}@canary{n}.example",
        "phone": f"+3460000{n:04d}", "birth": f"19{60 + n}-03-0{1 + n % 9}", "city": "Cuenca",
    }  # fmt: skip


def values(n: int) -> list[str]:
    """The texts that say who a customer is."""
    one = person(n)
    return [one[name] for name in ("name", "tax_number", "email", "phone")]


def online(n: int) -> bytes:
    """What the row store has of a customer: bytes that no compression changes."""
    return hashlib.sha512(b"spent by %d" % n).digest()


def written(folder: Path) -> None:
    """Write the bank's exports: two of customers, with bad rows among them, and payments."""
    folder.mkdir()
    columns = list(person(0))
    lines = [",".join(columns), *(",".join(person(n).values()) for n in range(N))]
    for n in (3, 4):
        lines.append(",".join((person(n) | {"birth": "not a day"}).values()))
        lines.append(f"{person(n)['name']},{n}")  # too few columns: nobody can say whose
    (folder / "customers1.csv").write_text("\n".join(lines) + "\n")
    moved = [",".join((person(n) | {"event_time": "2026-02-01", "city": "Soria"}).values())
             for n in (3, 5)]  # fmt: skip
    (folder / "customers2.csv").write_text("\n".join([",".join(columns), *moved]) + "\n")
    rows = ["id,event_time,customer,amount,currency,status"]
    rows += [f"p{n},2026-03-{1 + n % 28:02d}T09:00:00Z,k{n % N:04d},{n}.00,EUR,authorised"
             for n in range(4 * N)]  # fmt: skip
    (folder / "payments.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(params=["elsewhere", pytest.param("service", marks=pytest.mark.slow)])
def bank(request, tmp_path, monkeypatch):
    """A bank's project, closed: loaded, corrected, decided, read, explained, with online rows."""
    if request.param == "service":
        running = request.getfixturevalue("bao")
        monkeypatch.setenv("BAO_TOKEN", openbao.TOKEN)
        security = f'[security]\nkeys = "{running.key("bank")}"'
    else:
        security = f'[security]\nkeys = "file:{tmp_path / "safe"}"'
    written(tmp_path / "source")
    folder = tmp_path / "bank"
    folder.mkdir()
    (folder / "heptad.toml").write_text(TOML.format(security=security))
    with Platform.open(folder) as platform:
        platform.load()
        made = platform.decide("fraud")
        platform.store("Customer", [
            {"id": GONE, "event_time": "2026-04-01", "name": person(3)["name"], "email": "x@y.example"},
            {"id": GONE, "event_time": "never", "name": person(3)["name"]},
        ])  # fmt: skip
        for purpose in ("service", ""):
            platform.read("Customer", purpose=purpose)
        for to in ("officer", "engineer", "customer"):
            platform.explain(made[0].public["id"], to=to)
        platform.compact("Customer")
    with Rows(folder / "rows") as rows:
        rows.create("profile", {"f": Family()})
        for n in range(N):
            rows.put("profile", f"k{n:04d}".encode(), {b"f:spend": online(n)})
    return folder


@pytest.fixture(scope="module")
def bao(tmp_path_factory):
    with openbao.server(tmp_path_factory.mktemp("bao")) as running:
        yield running


def key_material(platform: Platform) -> dict[str, bytes]:
    """Everything that opens what is the person's."""
    keys = platform.keys
    (dek,) = keys.of([f"Customer:{GONE}"], create=False)
    wrapped = keys._vault.scalar(f"SELECT wrapped FROM subject WHERE name = 'Customer:{GONE}'")
    loads = {name: keys.disposable(name) for name in keys.disposables("quarantine|Customer")}
    assert len(loads) == 2
    return {"dek": dek, "wrapped": wrapped, "kek": keys._vault.kek.key, **loads}


def unchanging(folder: Path) -> dict[str, str]:
    """Digests of files of which no byte may change: tables in all versions, and the decision log."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("tables", "log/decisions", "models")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }


def everybody_else(platform: Platform) -> dict[str, object]:
    """All that can be read of the other customers."""
    names = [f"Customer:k{n:04d}" for n in range(N) if n != 3]
    rows = platform.read("Customer", purpose="service").to_pylist()
    return {
        "rows": [row for row in rows if row["id"] != GONE],
        "keys": platform.keys.of(names, create=False),
        "decisions": [o.decision.to_bytes() for o in platform.log.entries()
                      if o.decision and o.subject != f"Customer:{GONE}"],
        "refused": [r.raw for r in platform.loading.quarantine.show("Customer", clear=True)
                    if r.raw and not any(v in r.raw for v in values(3))],
    }  # fmt: skip


@pytest.mark.slow
def test_nothing_of_an_erased_person_is_left_and_nobody_else_changes(bank, tmp_path):
    with Platform.open(bank) as platform:
        secrets, others = key_material(platform), everybody_else(platform)
        head = platform.log.ledger.head()
        assert len(others["refused"]) == 2
        assert all(others["keys"])
    assert scanning.found(bank, [online(3)])
    old, files = tmp_path / "backup", unchanging(bank)
    shutil.copytree(bank, old, ignore=shutil.ignore_patterns("owner.lock"))
    assert scanning.found(bank, [secrets["wrapped"]])  # the search finds what is there
    planted = bank / "planted"
    planted.write_text(json.dumps(values(3)[0]))
    assert len(scanning.found(bank, values(3))) == 1
    planted.unlink()

    with Platform.open(bank) as platform:
        (done,) = platform.erasing.erase([GONE], "request no. 17", who="clerk", role="admin")
        assert (
            done.receipt["removed"] | {"keys": 1, "quarantine": 3, "rows": 1}
            == (done.receipt["removed"])
        )
        assert (
            scanning.found(bank, [*values(3), online(3), *secrets.values()]) == {}
        )  # while it is open

    # No plaintext and no key byte, in no file of any store, in no old version, in no log.
    assert scanning.found(bank, [*values(3), online(3), *secrets.values()]) == {}
    assert unchanging(bank) == files
    with Platform.open(bank) as platform:
        assert everybody_else(platform) == others
        assert platform.log.ledger.head() == head
        assert platform.log.ledger.verify().entries == 4 * N
        report = platform.replay()
        assert report.decided == report.derived == {"identical": 4 * N - 4, "erased": 4}
        for version in range(platform.lake.version("Customer") + 1):
            seen = platform.read("Customer", version=version, purpose="service").to_pylist()
            assert {r["name"] for r in seen if r["id"] == GONE} <= {"(erased)", None}
        closed = next(o for o in platform.log.entries() if o.subject == f"Customer:{GONE}")
        assert platform.explain(closed.public["id"])["erased"]
        assert platform.erasing.uncovered() == []
        kek = platform.keys._vault.kek
    with Rows(bank / "rows", read_only=True) as rows:
        assert [key for key, _ in rows.scan("profile")] == [
            f"k{n:04d}".encode() for n in range(N) if n != 3
        ]
    _a_backup_opens_nothing(old, bank, kek)


def _a_backup_opens_nothing(old: Path, bank: Path, kek: Kek) -> None:
    """Neither as it is, nor with the project's present keys."""
    with pytest.raises((Refused, Corrupt)):
        Platform.open(old)
    subjects = old / "keys" / "subjects.sqlite"
    import sqlite3

    rows = sqlite3.connect(subjects).execute("SELECT name, wrapped FROM subject").fetchall()
    assert f"Customer:{GONE}" in {name for name, _ in rows}
    for name, wrapped in rows:
        for epoch in (kek.epoch, kek.epoch - 1):
            with pytest.raises(Corrupt):
                Kek(epoch, kek.key).unwrap([(f"subject|{name}", wrapped)])
    # The present keys with the old tables: everybody but the erased person.
    shutil.rmtree(old / "keys")
    shutil.copytree(bank / "keys", old / "keys")
    (old / "seals.json").unlink()
    with Platform.open(old) as platform:
        seen = {
            r["id"]: r["name"] for r in platform.read("Customer", purpose="service").to_pylist()
        }
        assert seen[GONE] == "(erased)"
        assert seen["k0004"] == person(4)["name"]
        with pytest.raises(HeptadError, match="key of a load"):
            platform.loading.quarantine.show("Customer", clear=True)


def test_a_copy_with_its_own_key_file_opens_which_is_why_it_lies_elsewhere(tmp_path):
    """What no software can undo: whoever kept a copy of `kek` and of the folder has both."""
    with Keys(tmp_path / "keys") as keys:
        made = keys.of(["a"])
    shutil.copytree(tmp_path / "keys", tmp_path / "copy")
    with Keys(tmp_path / "keys") as keys:
        keys.destroy("a")
        keys.new_epoch()
    with Keys(tmp_path / "copy") as keys:
        assert keys.of(["a"], create=False) == made
