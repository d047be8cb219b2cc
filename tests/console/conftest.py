# SPDX-License-Identifier: Apache-2.0
"""A small bank with decisions and a model, served; and a browser in front of it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from heptad.runtime import Platform
from heptad.security.purposes import ROLES
from heptad.service.flows.publishing import approve, propose, publish
from heptad.sources.bank import Bank
from heptad.sources.bank.files import write_exports
from heptad.terminal.commands import run
from heptad.terminal.http.site import FOLDER
from tests.terminal.conftest import Served, free_port, run_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "console/node_modules/axe-core/axe.min.js"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
    "--no-first-run",
    "--disable-background-networking",
]
PAYLOAD = "<img src=x onerror=\"window.attacked='yes'\"><script>window.attacked='yes'</script>"
"""What would run if a text of the data were ever taken for markup."""
PEOPLE = {"ana": "admin", "ann": "risk", "bob": "risk", "olga": "officer", "audrey": "auditor",
          "emil": "engineer", "desk": "app"}  # fmt: skip
"""Who works with the console, and in which role."""
HOSTILE = {"id": "A-attack", "event_time": "2026-02-01T00:00:00Z", "name": PAYLOAD}


def built() -> None:
    """Skip where there is no console to look at."""
    if not (FOLDER / "index.html").is_file():
        pytest.skip("there is no console in the package: run `make built`, which needs npm once")


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty customers over a month, decided by two applications, one with a model."""
    folder = tmp_path_factory.mktemp("console") / "bank"
    write_exports(Bank(30, 7, date(2026, 1, 1), 30), folder)
    settings = folder / "heptad.toml"
    lawful = settings.read_text().replace("[project]", '[project]\nregime = "eu"', 1)
    settings.write_text(lawful)
    with Platform.open(folder) as platform:
        platform.load()
        add_model(platform)
        platform.store("Merchant", [HOSTILE])
        add_shadow(platform)
        platform.decide("fraud", latest=120)
        platform.decide("credit")
        platform.work.settle()
        keys = {name: issued(platform, name, role) for name, role in PEOPLE.items()}
    (folder.parent / "keys.json").write_text(json.dumps(keys))
    return folder


def issued(platform: Platform, name: str, role: str) -> str:
    """Issue a key for all that a role may act for; return its text."""
    asked = {"role": role, "purposes": sorted(ROLES[role].purposes), "days": 4000, "name": name}
    return str(run(platform, "keys.issue", asked)["key"])


@pytest.fixture(scope="session")
def keys(bank: Path) -> dict[str, str]:
    """The keys of the people, by name."""
    found: dict[str, str] = json.loads((bank.parent / "keys.json").read_text())
    return found


def add_shadow(platform: Platform) -> None:
    """Let a flow that is stricter look on: it says what it would have decided, and decides nothing."""
    fraud, models = platform.app("fraud"), platform.catalog.models
    assert fraud.flow is not None
    text = fraud.flow.own.text.replace("burst_payments: 4", "burst_payments: 1")
    tried = propose(models, fraud, text, "ana")
    approve(models, fraud, tried.id, tried.sha256, "ben", "to be compared")
    publish(models, fraud, text, "ben", shadow=0)


def add_model(platform: Platform) -> None:
    """Train the scorecard on made-up columns and let another approve it."""
    from heptad.apps.credit.model import CreditScorecard, model

    rng = np.random.default_rng(7)
    columns = {name: rng.uniform(0, 1, 800) for name in model.inputs}
    bad = (columns["declined_share_90d"] + rng.uniform(0, 1, 800) > 1.2).astype(int)
    card = CreditScorecard.train(columns, bad, seed=7)
    figure = {"value": 0.74, "low": 0.68, "high": 0.8, "level": 0.95}
    tenths = [{"n": 20, "predicted": k / 10, "rate": figure} for k in range(1, 9)]
    ours = {"auc": figure, "ks": figure, "n": 160, "bads": 30, "calibration": tenths}
    made = platform.catalog.models.register(
        "credit-scorecard",
        "credit",
        card.to_bytes(),
        trainer="ana",
        metrics={"ours": ours, "logistic": {"auc": figure}},
    )
    platform.approve(made.id, "ben", "looked at")
    later = CreditScorecard.train(columns, 1 - bad, seed=7)
    platform.catalog.models.register("credit-scorecard", "credit", later.to_bytes(), trainer="ana")


@pytest.fixture(scope="session")
def served(bank: Path) -> Iterator[Served]:
    """The bank, served by another process."""
    built()
    port = free_port()
    process = run_server(bank, "--port", str(port))
    assert process.stdout is not None
    lines = (line for line in process.stdout if line.startswith("serving "))
    assert next(lines, ""), process.communicate(timeout=10)
    yield Served(process, bank, port)
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """The Chromium of the system, without a window.

    Playwright keeps an event loop running in this thread, in which no other test could start one:
    it ends with this folder's tests.
    """
    built()
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("there is no Chromium: `apt-get install chromium` lets the console be tested")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with playwright.sync_playwright() as driver, tempfile.TemporaryDirectory() as home:
        os.environ.setdefault("XDG_CONFIG_HOME", home)
        browser = driver.chromium.launch(executable_path=found, args=OPTIONS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page of the console, and what it should not have done.

    Attributes:
        page: the browser's page.
        url: where the server is.
        wrong: console errors, exceptions, answers of 400 and more, requests to elsewhere.
    """

    page: Any
    url: str
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to a page and wait until all of it is drawn."""
        self.page.goto(self.url + path)
        self.drawn()

    def drawn(self) -> None:
        """Wait until nothing is being read any more."""
        self.page.wait_for_selector("h1")
        self.page.wait_for_selector(".wait", state="detached")
        self.page.evaluate("document.fonts.ready")

    def text(self) -> str:
        """Return what is written on the page."""
        found: str = self.page.inner_text("body")
        return found


@pytest.fixture(scope="package")
def visiting(served: Served, browser: Any, keys: dict[str, str]) -> Callable[..., Any]:
    """Open pages in a theme, at a width, in a language, as one of the people."""

    @contextmanager
    def visit(
        theme: str = "light", width: int = 1440, lang: str = "en", who: str = "ana"
    ) -> Iterator[Visit]:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            reduced_motion="reduce",
        )
        kept = f'localStorage.setItem(\'heptad\', \'{{"theme":"{theme}","lang":"{lang}"}}\')'
        context.add_init_script(f"{kept}; sessionStorage.setItem('heptad-key', '{keys[who]}')")
        page = context.new_page()
        visit = Visit(page, served.url)
        host = urlsplit(served.url).netloc

        def note(message: Any) -> None:
            if message.type in ("error", "warning"):
                visit.wrong.append(f"console: {message.text}")

        def sent(request: Any) -> None:
            if urlsplit(request.url).netloc not in (host, ""):
                visit.wrong.append(f"left the origin: {request.url}")

        def answered(response: Any) -> None:
            if response.status >= 400:
                visit.wrong.append(f"{response.status}: {response.url}")

        page.on("console", note)
        page.on("pageerror", lambda error: visit.wrong.append(f"exception: {error}"))
        page.on("request", sent)
        page.on("response", answered)
        yield visit
        context.close()

    return visit
