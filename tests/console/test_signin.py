# SPDX-License-Identifier: Apache-2.0
"""Signing in at a real OpenID provider, in a browser, and working as the role it says."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import Platform
from tests.console.conftest import ROOT, issued
from tests.terminal.conftest import Served, free_port, run_server, wait_for_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
PASSWORD = "four words nobody puts together"
PROJECT = """[project]
name = "signed"
[signin]
issuer = "http://127.0.0.1:{port}"
client = "heptad"
[signin.roles]
bank-risk = "risk"
"""


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A project whose people sign in at a provider of their own."""
    node, packages = shutil.which("node"), ROOT / "console/node_modules"
    if node is None or not (packages / "oidc-provider").is_dir():
        pytest.skip("oidc-provider is not there: `make built` gets it from npm")
    port, ours = free_port(), free_port()
    folder = tmp_path_factory.mktemp("signed")
    (folder / "heptad.toml").write_text(PROJECT.format(port=port))
    back = f"http://127.0.0.1:{ours}/v1/signin/back"
    script = ROOT / "tests/console/provider.mjs"
    provider = subprocess.Popen(
        [node, script, str(port), back, packages], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    server = run_server(folder, "--port", str(ours))
    assert provider.stdout is not None
    assert server.stdout is not None
    assert "ready" in provider.stdout.readline()
    assert next((line for line in server.stdout if line.startswith("serving ")), "")
    yield Served(server, folder, ours)
    for process in (server, provider):
        process.terminate()
        process.communicate(timeout=30)


def sign_in(page: Any, who: str) -> None:
    """Write a name at the provider and agree to what it asks."""
    page.get_by_role("link", name="Sign in with").click()
    page.locator("[name=login]").fill(who)
    page.locator("[name=password]").fill("any")
    page.locator("[type=submit]").click()
    page.get_by_role("button", name="Continue").click()


def test_who_signs_in_at_the_provider_works_in_their_role(signed: Served, browser: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(signed.url + "/lists")
    page.get_by_role("alert").first.wait_for()
    sign_in(page, "ann")
    page.wait_for_url(signed.url + "/lists")
    page.locator(".foot", has_text="risk").wait_for()
    page.get_by_label("List", exact=True).fill("watched")
    row = {"name": "watched.csv", "mimeType": "text/csv", "buffer": b"id\nm17\n"}
    page.locator("[type=file]").set_input_files(row)
    page.get_by_role("button", name="Put on the list").click()
    page.get_by_text("1 of 1 stored").wait_for()
    assert page.evaluate("document.cookie") == "", "no script reads the session"
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in with").first.wait_for()
    context.close()


def test_who_has_no_role_is_not_let_in(signed: Served, browser: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(signed.url + "/lists")
    sign_in(page, "eve")
    page.get_by_text("This person has no role here.").wait_for()
    page.goto(signed.url + "/lists")
    page.get_by_role("link", name="Sign in with").first.wait_for()
    context.close()


def test_a_key_that_does_not_hold_locks_nobody_out_who_has_a_password(
    tmp_path: Path, browser: Any
) -> None:
    (tmp_path / "heptad.toml").write_text('[project]\nname = "own"\n', encoding="utf-8")
    with Platform.open(tmp_path) as platform:
        platform.users.add("ann", "risk", PASSWORD, platform.clock.now())
        key = issued(platform, "bob", "risk")
    port = free_port()
    process = run_server(tmp_path, "--port", str(port))
    try:
        wait_for_server(process)
        page = browser.new_context().new_page()
        page.goto(f"http://127.0.0.1:{port}/tables")
        for text in ("hep_stale", key):
            page.get_by_label("Key").first.fill(text)
            page.get_by_role("button", name="Use this key").first.click()
            page.wait_for_function(f"sessionStorage.getItem('heptad-key') === '{text}'")
            if text != key:
                page.get_by_label("Password").first.wait_for()
        page.get_by_role("heading", level=1, name="Tables").wait_for()
        page.evaluate("sessionStorage.setItem('heptad-key', 'hep_stale')")
        page.reload()
        page.get_by_label("Name").first.fill("ann")
        page.get_by_label("Password").first.fill(PASSWORD)
        page.get_by_role("button", name="Sign in").first.click()
        page.get_by_role("heading", level=1, name="Tables").wait_for()
        page.get_by_label("Password").first.wait_for(state="detached")
        assert not page.evaluate("sessionStorage.getItem('heptad-key')")
        page.context.close()
    finally:
        process.terminate()
        process.communicate(timeout=30)
