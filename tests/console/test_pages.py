# SPDX-License-Identifier: Apache-2.0
"""Every page in both themes, wide and narrow: drawn whole, without error, readable by everyone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from tests.console.conftest import AXE, PAYLOAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.terminal.conftest import Served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def paths(served: Served, keys: dict[str, str]) -> list[str]:
    """Every page, with something to show."""

    def read(path: str) -> Any:
        asked = Request(
            f"{served.url}/v1/{path}", headers={"Authorization": f"Bearer {keys['ana']}"}
        )
        with urlopen(asked) as answer:
            return json.load(answer)

    def first(query: str) -> str:
        return str(read(f"decisions?limit=1&{query}")["decisions"][0]["id"])

    case, subject = (str(read("cases")["cases"][0][name]) for name in ("case", "subject"))

    table = "/tables/Payment"
    return [
        "/",
        "/inbox",
        f"/cases/{case}",
        "/decisions",
        f"/decisions/{first('app=fraud')}",
        f"/decisions/{first('app=credit')}",
        "/tables",
        *(f"{table}?tab={t}" for t in ("rows", "schema", "quality", "versions", "quarantine")),
        "/features",
        "/features/fraud.spend_30d",
        "/models",
        "/models/1",
        "/lineage?of=app:credit",
        "/runs",
        "/streams",
        "/log",
        "/access",
        "/apps/fraud",
        "/apps/credit/scorecard",
        "/apps/fraud/flow",
        "/apps/fraud/movement",
        "/messages",
        f"/customers/{subject.partition(':')[2]}",
        "/lists",
        "/segments?purpose=service",
        "/trials",
    ]


ALL, COLOURS, REST, NOTHING = "{}", "['color-contrast']", "no colours", ""
LOOKS = [
    ("light", 1440, ALL),
    ("dark", 1440, COLOURS),
    ("light", 390, REST),
    ("dark", 390, NOTHING),
    ("light", 720, NOTHING),
]
"""What is asked of each look: colours do not depend on the width, nor structure on the theme.

A window of 1,440 pixels that is zoomed to 200 % is 720 wide for what it shows."""
AXE_RUN = """asked => axe.run(document, {resultTypes: ['violations'], ...asked}).then(
    found => found.violations.map(v => `${v.id}: ${v.nodes[0].target} ${v.nodes[0].failureSummary}`))"""
ASKED: dict[str, Any] = {
    ALL: {},
    COLOURS: {"runOnly": {"type": "rule", "values": ["color-contrast"]}},
    REST: {"rules": {"color-contrast": {"enabled": False}}},
}
MOVING = """document.getAnimations().filter(a => a.playState === 'running'
    && a.effect.getComputedTiming().duration > 1).map(a => `${a.effect.target.className}`)"""
"""What moves though the reader asked for less motion."""
WIDER = """[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, .graph, .sheet')
    && e.getBoundingClientRect().right > innerWidth + 1).map(e => `${e.tagName}.${e.className}`)"""


@pytest.mark.timeout(400)
def test_every_page_is_drawn_whole_without_error_and_readable_by_everyone(
    visiting: Callable[..., Any], paths: list[str]
) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not there: `make built` gets it from npm")
    found: dict[str, Any] = {}
    with visiting() as visit:
        page = visit.page
        for path in paths:
            visit.open(path)
            page.evaluate(AXE.read_text(encoding="utf-8"))
            for theme, width, what in LOOKS:
                page.set_viewport_size({"width": width, "height": 900})
                page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
                moving = page.evaluate(MOVING)
                over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                broken = page.evaluate(AXE_RUN, ASKED[what]) if what else []
                if over > 0 or broken or visit.wrong or moving:
                    wide = page.evaluate(WIDER) if over > 0 else []
                    found[f"{path} {theme} {width}"] = (over, wide, broken, moving, [*visit.wrong])
                visit.wrong.clear()
            page.set_viewport_size({"width": 1440, "height": 900})
    assert not found


@pytest.mark.parametrize(("theme", "width"), [("dark", 1440), ("light", 390)])
def test_a_page_opens_in_the_theme_and_at_the_width_it_is_left_at(
    visiting: Callable[..., Any], theme: str, width: int
) -> None:
    with visiting(theme, width) as visit:
        for path in ("/", "/tables/Payment"):
            visit.open(path)
            assert visit.page.evaluate("document.documentElement.dataset.theme") == theme
            assert visit.page.locator(".side").is_visible() is (width > 900)
            assert visit.page.locator(".tabbar").is_visible() is (width < 900)
        assert not visit.wrong


def test_the_pages_speak_chinese(visiting: Callable[..., Any]) -> None:
    with visiting(lang="zh") as visit:
        for path, said in (("/", "最新决策"), ("/tables", "行版本"), ("/log", "决策日志")):
            visit.open(path)
            assert said in visit.text()
        assert visit.page.evaluate("document.documentElement.lang") == "zh"
        assert not visit.wrong


def test_markup_in_the_data_is_text(visiting: Callable[..., Any]) -> None:
    with visiting() as visit:
        visit.open("/tables/Merchant")
        assert PAYLOAD[:45] in visit.text()
        assert visit.page.evaluate("window.attacked") is None
        visit.open(f"/decisions?subject={PAYLOAD}")
        visit.open(f"/lineage?of={PAYLOAD}")
        assert visit.page.evaluate("window.attacked") is None
        assert visit.page.evaluate("document.querySelectorAll('main img').length") == 0


def test_no_script_of_a_page_can_run(visiting: Callable[..., Any]) -> None:
    """Even if markup got in, the policy would not let it run."""
    with visiting() as visit:
        visit.open("/")
        visit.page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', "
            '\'<img src="data:," onerror="window.attacked=1">\');'
            "const s = document.createElement('script'); s.textContent = 'window.attacked=1';"
            "document.body.append(s)"
        )
        visit.page.wait_for_timeout(200)
        assert visit.page.evaluate("window.attacked") is None
        assert any("Content Security Policy" in said for said in visit.wrong)


def test_a_page_that_is_not_there_says_so(visiting: Callable[..., Any]) -> None:
    with visiting() as visit:
        visit.page.goto(visit.url + "/nowhere")
        visit.page.get_by_text("There is no such page.").wait_for()


def test_a_page_that_breaks_off_shows_what_came_and_says_so(
    visiting: Callable[..., Any], served: Served, keys: dict[str, str]
) -> None:
    path = "/v1/apps/fraud/pages/overview"
    asked = Request(served.url + path, headers={
        "Authorization": f"Bearer {keys['ana']}", "Accept": "application/vnd.heptad.frames"})  # fmt: skip
    with urlopen(asked) as answer:
        head, first, second = (answer.readline() for _ in range(3))
    blocks = json.loads(head)["blocks"]
    cut = head + first + second[: len(second) // 2]
    with visiting() as visit:
        visit.page.route(f"**{path}*", lambda route: route.fulfill(
            status=200, body=cut, content_type="application/vnd.heptad.frames"))  # fmt: skip
        visit.open("/apps/fraud")
        broken = visit.page.get_by_text("The page broke off before this came.")
        broken.first.wait_for()
        assert broken.count() == len(blocks) - 1
        assert visit.page.get_by_role("region", name=blocks[0]["title"]).count() == 1
        assert not visit.wrong
