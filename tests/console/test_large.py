# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand rows scroll, and a hundred thousand points in place and time are drawn."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import Platform
from heptad.terminal.http.pages import FRAMES, frame
from tests.terminal.conftest import Served, free_port, run_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.soak
N = 100_000
MOST_DRAWN = 120
"""Rows in the page at once, whatever the table holds."""
TO_THE_END = """async () => {
    const sheet = document.querySelector('.sheet')
    let most = 0, still = 0
    while (still < 100) {
        const before = sheet.scrollHeight
        sheet.scrollTop = before
        await new Promise(done => setTimeout(done, 50))
        most = Math.max(most, sheet.querySelectorAll('tbody tr').length)
        still = sheet.scrollHeight === before ? still + 1 : 0
    }
    return [most, [...sheet.querySelectorAll('tbody tr:not(.gap)')].at(-1).innerText]
}"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A table of a hundred thousand merchants."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "heptad.toml").write_text(
        '[project]\nname = "large"\n[[source]]\nname = "m"\ntable = "Merchant"\nfrom = "m.csv"\n'
    )
    lines = (f"m{n:06d},2026-01-01T00:00:00Z,Shop {n}\n" for n in range(N))
    (folder / "m.csv").write_text("id,event_time,name\n" + "".join(lines))
    with Platform.open(folder) as platform:
        platform.load()
    port = free_port()
    process = run_server(folder, "--port", str(port))
    assert process.stdout is not None
    assert next((line for line in process.stdout if line.startswith("serving ")), "")
    yield Served(process, folder, port)
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.timeout(900)
def test_a_table_scrolls_to_its_last_row_with_few_in_the_page(large: Served, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(600_000)
    page.goto(f"{large.url}/tables/Merchant")
    page.wait_for_selector(".sheet tbody tr")
    most, last = page.evaluate(TO_THE_END)
    assert f"m{N - 1:06d}" in last
    assert most <= MOST_DRAWN
    page.close()


@pytest.mark.timeout(300)
def test_a_hundred_thousand_points_are_drawn_and_filtered_by_the_slider(
    visiting: Callable[..., Any],
) -> None:
    draw = random.Random(7)
    start, step = 1_767_225_600_000, 25_000
    points = {
        "at": [start + n * step for n in range(N)],
        "lat": [draw.uniform(36, 60) for _ in range(N)],
        "lon": [draw.uniform(-9, 25) for _ in range(N)],
        "who": [n % 2_000 for n in range(N)],
        "amount": [100] * N,
        "mark": [0] * N,
    }
    with visiting() as visit:

        def larger(route: Any) -> None:
            asked = {**route.request.headers, "accept": "application/json"}
            page = route.fetch(headers=asked).json()
            page["blocks"][0]["data"] |= {"points": points, "of": N}
            blocks = (frame(n, block) for n, block in enumerate(page["blocks"]))
            body = json.dumps(page).encode() + b"\n" + b"".join(blocks)
            route.fulfill(status=200, content_type=FRAMES, body=body)

        visit.page.set_default_timeout(120_000)
        visit.page.route("**/pages/movement**", larger)
        visit.open("/apps/fraud/movement")
        visit.page.locator(".canvas[aria-busy=false] canvas").wait_for(timeout=120_000)
        slider = visit.page.get_by_role("slider")
        whole = visit.page.locator(".when [role=status]").inner_text()
        assert whole.startswith("100,000 of 100,000")
        slider.focus()
        slider.press("PageDown")
        visit.page.locator(
            ".when [role=status]", has_text=re.compile(r"(89|90),\d{3} of")
        ).wait_for()
        assert not visit.wrong
