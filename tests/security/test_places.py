# SPDX-License-Identifier: Apache-2.0
"""A key store keeps its promises wherever its key-encryption key lies: file, other folder, service."""

from __future__ import annotations

import json
import shutil
from functools import partial

import httpx
import pytest

from heptad.security.keys import Keys
from heptad.security.locks import FileLock
from heptad.security.places import open_keys
from heptad.security.transit import Transit, TransitLock
from heptad.standards.errors import Busy, Corrupt, HeptadError, InputError, Refused
from tests.security import openbao
from tests.security.test_keys import everything, forms
from tests.security.test_keys_faults import killed

NAMES = [f"c{i:03d}" for i in range(20)]


@pytest.fixture(scope="module")
def bao(tmp_path_factory):
    with openbao.server(tmp_path_factory.mktemp("bao")) as running:
        yield running


@pytest.fixture(params=["file", "elsewhere", pytest.param("service", marks=pytest.mark.slow)])
def opened(request, tmp_path):
    """A function that opens the same key store again and again."""
    folder = tmp_path / "project" / "keys"
    if request.param == "file":
        return partial(open_keys, folder)
    if request.param == "elsewhere":
        return partial(open_keys, folder, f"file:{tmp_path / 'safe'}")
    bao = request.getfixturevalue("bao")
    address = bao.key(request.node.callspec.id + str(abs(hash(tmp_path))))
    return partial(open_keys, folder, address, token=openbao.TOKEN)


def test_keys_live_through_epochs_and_reopening(opened):
    with opened() as keys:
        made, pepper = keys.of(NAMES), keys.pepper("pan")
    with opened() as keys:
        assert keys.of(NAMES, create=False) == made
        assert keys.new_epoch() == 2
        assert keys.new_epoch() == 3
    with opened() as keys:
        assert (keys.of(NAMES, create=False), keys.pepper("pan"), keys.epoch) == (made, pepper, 3)


def test_after_an_erasure_nothing_in_the_folder_and_no_copy_of_it_opens_the_subject(
    opened, tmp_path, request
):
    folder = tmp_path / "project" / "keys"
    with opened() as keys:
        made, kek = keys.of(NAMES), keys._vault.kek.key
        wrapped = keys._vault.scalar("SELECT wrapped FROM subject WHERE name = 'c003'")
    old = tmp_path / "old"
    shutil.copytree(folder, old)
    with opened() as keys:
        keys.destroy("c003")
        keys.new_epoch()
        keys.purge()
        held = everything(folder)
        assert not any(form in held for secret in (made[3], kek, wrapped) for form in forms(secret))
        assert keys.of(NAMES, create=False) == [*made[:3], None, *made[4:]]
    if "file" in request.node.callspec.id:
        return  # a copy that has the file `kek` in it opens: docs/how-to says to keep it apart
    shutil.rmtree(folder)
    shutil.copytree(old, folder)
    with pytest.raises((Refused, Corrupt)):
        opened()


def test_keys_of_dropped_things_are_destroyed_one_by_one(opened):
    with opened() as keys:
        first, second = keys.disposable("load|1"), keys.disposable("load|2")
        assert first != second
        assert keys.disposable("load|1") == first
        assert keys.disposable("load|3", create=False) is None
        assert keys.disposables("load|") == ["load|1", "load|2"]
        assert keys.disposables("other") == []
        assert keys.dispose(["load|1", "load|9"]) == 1
        keys.new_epoch()
        assert keys.disposable("load|2", create=False) == second
        assert keys.disposable("load|1") != first


def test_a_kill_in_an_epoch_loses_nothing(opened, tmp_path, request):
    with opened() as keys:
        made = keys.of(NAMES)
    epoch, steps = 1, range(1, 200, 9 if "service" in request.node.callspec.id else 4)
    for at in steps:
        died = killed(lambda: opened().new_epoch(), at)
        with opened() as keys:
            assert keys.of(NAMES, create=False) == made
            assert keys.epoch in (epoch, epoch + 1)
            epoch = keys.epoch
        if not died:
            break
    assert epoch > 1


# The service


@pytest.mark.slow
def test_the_service_never_sees_a_subjects_key_and_the_folder_never_the_kek(bao, tmp_path):
    with open_keys(tmp_path / "k", bao.key("blind"), token=openbao.TOKEN) as keys:
        made = keys.of(NAMES)
        kek = keys._vault.kek.key
    held = everything(tmp_path / "k")
    assert not any(form in held for secret in (*made, kek) for form in forms(secret))
    assert json.loads((tmp_path / "k" / "kek").read_text())["transit"].startswith("vault:v1:")


@pytest.mark.slow
def test_an_epoch_is_a_version_and_those_before_are_gone_from_the_service(bao, tmp_path):
    address = bao.key("versions")
    with open_keys(tmp_path / "k", address, token=openbao.TOKEN) as keys:
        keys.of(NAMES)
        keys.new_epoch()
        keys.new_epoch()
    held = bao.call("transit/keys/versions", method="GET")["data"]
    assert (list(held["keys"]), held["min_available_version"]) == (["3"], 3)


@pytest.mark.slow
def test_a_destroyed_key_of_the_service_closes_everything(bao, tmp_path):
    address = bao.key("gone")
    with open_keys(tmp_path / "k", address, token=openbao.TOKEN) as keys:
        keys.of(NAMES)
    bao.call("transit/keys/gone/config", {"deletion_allowed": True})
    bao.call("transit/keys/gone", method="DELETE")
    with pytest.raises((Refused, Corrupt)):
        open_keys(tmp_path / "k", address, token=openbao.TOKEN)


@pytest.mark.slow
def test_a_wrong_token_is_refused_and_not_repeated(bao, tmp_path):
    address = bao.key("locked")
    with pytest.raises(Refused) as refusal:
        open_keys(tmp_path / "k", address, token="wrong-token-canary")
    assert "wrong-token-canary" not in str(refusal.value)


@pytest.mark.slow
def test_keys_made_with_a_file_do_not_open_with_a_service(bao, tmp_path):
    open_keys(tmp_path / "k").close()
    with pytest.raises(Corrupt, match="not closed by the key service"):
        open_keys(tmp_path / "k", bao.key("mixed"), token=openbao.TOKEN)


def test_keys_made_with_a_service_do_not_open_with_a_file(tmp_path):
    lock = TransitLock(faked())
    Keys(tmp_path / "k", lock=lock).close()
    with pytest.raises(Corrupt, match="does not hold a key"):
        Keys(tmp_path / "k")


# Without a server


def faked(answer=None):
    """A client whose server keeps what it is sent, or always answers the same."""

    def respond(request):
        if answer is not None:
            return answer() if callable(answer) else answer
        body = json.loads(request.content or b"{}")
        if "/encrypt/" in request.url.path:
            return httpx.Response(
                200, json={"data": {"ciphertext": "vault:v1:" + body["plaintext"]}}
            )
        if "/decrypt/" in request.url.path:
            return httpx.Response(200, json={"data": {"plaintext": body["ciphertext"][9:]}})
        return httpx.Response(204)

    client = httpx.Client(transport=httpx.MockTransport(respond))
    return Transit("https://vault.example/transit/bank", "secret-token", client=client)


@pytest.mark.parametrize(
    "address",
    ["", "vault.example/transit/bank", "https://vault.example", "https://vault.example/transit",
     "ftp://vault.example/transit/bank", "http://vault.example/transit/bank",
     "https://me:pw@vault.example/transit/bank", "https://vault.example/transit/bank?x=1",
     "https://vault.example/transit/../bank%2f"],
)  # fmt: skip
def test_addresses_that_are_none_are_refused(address):
    with pytest.raises(InputError) as refusal:
        Transit(address, "token")
    assert "pw" not in str(refusal.value)


def test_a_token_is_needed_and_never_shown(tmp_path, monkeypatch):
    for name in ("BAO_TOKEN", "VAULT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="needs a token"):
        open_keys(tmp_path / "k", "vault:https://vault.example/transit/bank")
    assert "secret-token" not in repr(faked())


def test_a_place_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="no place") as refusal:
        open_keys(tmp_path / "k", "s3:secret-bucket")
    assert "secret-bucket" not in str(refusal.value)


def unreachable():
    raise httpx.ConnectError("no route")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (unreachable, Busy),
        (httpx.Response(503, json={"errors": ["Vault is sealed"]}), Busy),
        (httpx.Response(403, json={"errors": ["permission denied"]}), Refused),
        (httpx.Response(404, json={"errors": []}), Refused),
        (httpx.Response(400, json={"errors": ["invalid ciphertext"]}), Corrupt),
        (httpx.Response(200, text="<html>a proxy</html>"), Busy),
        (httpx.Response(302, headers={"location": "https://evil.example"}), HeptadError),
        (httpx.Response(200, json={"data": {}}), HeptadError),
        (httpx.Response(200, json=[]), HeptadError),
    ],
)
def test_what_a_service_may_answer_is_told_as_one_of_our_errors(tmp_path, answer, error):
    with pytest.raises(error):
        Keys(tmp_path / "k", lock=TransitLock(faked(answer)))


def test_a_store_that_could_not_be_made_for_the_service_is_made_later(tmp_path):
    with pytest.raises(Busy):
        Keys(tmp_path / "k", lock=TransitLock(faked(unreachable)))
    with Keys(tmp_path / "k", lock=TransitLock(faked())) as keys:
        assert len(keys.of(["a"])) == 1


@pytest.mark.parametrize("document", [{"epoch": 1}, {"epoch": "1", "transit": "vault:v1:AA=="},
                                      {"epoch": 1, "transit": "vault:v0x:AA"}, {"transit": 3}])  # fmt: skip
def test_a_damaged_key_file_is_told(tmp_path, document):
    lock = TransitLock(faked())
    Keys(tmp_path / "k", lock=lock).close()
    (tmp_path / "k" / "kek").write_text(json.dumps({"format": 1} | document))
    with pytest.raises(Corrupt, match="does not hold a key"):
        Keys(tmp_path / "k", lock=lock)


def test_a_file_lock_retires_nothing(tmp_path):
    assert FileLock().retire(tmp_path / "absent") is None
