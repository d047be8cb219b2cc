# SPDX-License-Identifier: Apache-2.0
"""A risk modeller merges bins in the console, sees who moves, and keeps the card with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import Platform
from heptad.standards.time import FixedClock, day, parse_instant
from tests.console.conftest import AXE, issued
from tests.console.test_pages import AXE_RUN
from tests.terminal.conftest import free_port, run_server
from tests.terminal.test_cards import past

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_a_modeller_merges_bins_and_keeps_the_card(tmp_path: Path, browser: Any) -> None:
    (tmp_path / "heptad.toml").write_text('[project]\nname = "bins"\n', encoding="utf-8")
    clock = FixedClock(parse_instant("2026-01-01T10:00:00Z") + 520 * day)
    with Platform.open(tmp_path, clock=clock) as platform:
        for table, rows in past().items():
            platform.store(table.__name__, rows)
        platform.train("credit", trainer="eva")
        platform.approve(1, "bob", "seen")
        key = issued(platform, "eva", "risk")
    port = free_port()
    process = run_server(tmp_path, "--port", str(port))
    try:
        assert process.stdout is not None
        assert next(line for line in process.stdout if line.startswith("serving "))
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_init_script(f"sessionStorage.setItem('heptad-key', '{key}')")
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"http://127.0.0.1:{port}/apps/credit/bins")
        page.get_by_label("Input").select_option("amount")
        page.get_by_label("Merge bin 0").check()
        page.get_by_label("Merge bin 1").check()
        page.get_by_label("Why the bins are merged").fill("one product since May")
        page.get_by_role("button", name="What would it change?").click()
        page.get_by_role("columnheader", name="Would be").first.wait_for()
        assert "Expected loss" in page.inner_text("body")
        if AXE.is_file():
            page.evaluate(AXE.read_text(encoding="utf-8"))
            assert page.evaluate(AXE_RUN, {}) == []
        page.set_viewport_size({"width": 390, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.get_by_role("button", name="Keep as a candidate").click()
        page.get_by_text("kept as candidate 2").wait_for()
        page.get_by_role("button", name="Validation report").click()
        link = page.get_by_role("link", name="Open the report")
        link.wait_for()
        assert len(page.context.pages) == 1, "a browser keeps a window that opens by itself away"
        with page.context.expect_page() as opened:
            link.click()
        opened.value.wait_for_load_state()
        assert "AUC" in opened.value.inner_text("body")
        assert not wrong
        context.close()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    with Platform.open(tmp_path, clock=clock) as platform:
        kept = platform.catalog.models.get(2)
        assert (kept.stage, kept.settings["merged"][0]["reason"]) == (
            "candidate",
            "one product since May",
        )
