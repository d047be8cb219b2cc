# SPDX-License-Identifier: Apache-2.0
"""Reports come out of the printer whole: A4, nothing cut at the edge, no table or plot in two."""

from __future__ import annotations

from typing import Any

import pytest

from heptad.analysis import validation_page
from tests.analysis.test_validation import pack as made

pack = made
pytestmark = pytest.mark.slow

WIDTH = 658
"""Pixels between the margins of A4: 210 mm less 18 mm on either side."""


def test_a_validation_report_is_printed_whole(browser: Any, pack: Any) -> None:
    page = browser.new_context(viewport={"width": WIDTH, "height": 986}).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(validation_page.page(pack))
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.evaluate(
        "[...document.querySelectorAll('table, figure')].every("
        "found => getComputedStyle(found).breakInside === 'avoid')"
    )
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") >= 3
    assert b"/MediaBox [0 0 594.95996 841.91998]" in printed or b"/MediaBox [0 0 595" in printed
    assert asked == []
    page.context.close()
