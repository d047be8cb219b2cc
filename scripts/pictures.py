# SPDX-License-Identifier: Apache-2.0
"""Take the pictures of README from the demo's server: `python scripts/pictures.py [FOLDER]`.

Each page is drawn in both themes by the Chromium of the system and kept as WebP under docs/images.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs/images"
WIDE, TALL, KEPT, QUALITY = 1440, 900, 1200, 82
MOST_BYTES = 1_000_000
SWITCHES = ["--headless", "--no-sandbox", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the project of a folder; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = "import sys; from heptad.terminal.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", run, "-p", str(folder), "serve", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it was asked for
            if not any(line.startswith("serving ") for line in server.stdout):
                raise SystemExit(f"{folder} could not be served: run `make demo` first")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def pages(url: str) -> dict[str, str]:
    """Return what is taken: name of the picture → path of the console."""

    def first(path: str, found: str) -> dict[str, Any]:
        with urlopen(f"{url}/v1/{path}") as answer:
            return next(iter(json.load(answer)[found]))

    decision = first("decisions?app=credit&outcome=decline,refer,offer&limit=1", "decisions")["id"]
    case = first("cases?app=fraud&limit=1", "cases")["case"]
    return {
        "home": "/",
        "decision": f"/decisions/{decision}",
        "case": f"/cases/{case}",
        "movement": "/apps/fraud/movement",
    }


def take(browser: Any, url: str, path: str, theme: str) -> bytes:
    """Draw a page in a theme; return it as WebP."""
    context = browser.new_context(
        viewport={"width": WIDE, "height": TALL}, color_scheme=theme, reduced_motion="reduce"
    )
    kept = json.dumps(json.dumps({"theme": theme, "lang": "en"}))
    context.add_init_script(f"localStorage.setItem('heptad', {kept})")
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(url + path)
    page.wait_for_selector("h1")
    page.wait_for_selector(".wait", state="detached")
    page.wait_for_selector(".canvas[aria-busy=true]", state="detached")
    page.wait_for_timeout(1500)
    shot = Image.open(io.BytesIO(page.screenshot()))
    context.close()
    kept_size = (KEPT, round(TALL * KEPT / WIDE))
    packed = io.BytesIO()
    shot.convert("RGB").resize(kept_size, Image.Resampling.LANCZOS).save(
        packed, "WEBP", quality=QUALITY, method=6
    )
    return packed.getvalue()


def main() -> int:
    """Take all pictures and check what they weigh together."""
    from playwright.sync_api import sync_playwright

    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with served(folder) as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=SWITCHES)
        for name, path in pages(url).items():
            for theme in ("light", "dark"):
                made = IMAGES / f"{name}-{theme}.webp"
                made.write_bytes(take(browser, url, path, theme))
                print(f"{made.relative_to(ROOT)}: {made.stat().st_size // 1024} kB")
        browser.close()
    named = set(re.findall(r"docs/images/[\w-]+\.webp", (ROOT / "README.md").read_text()))
    missing = [name for name in named if not (ROOT / name).is_file()]
    total = sum(path.stat().st_size for path in IMAGES.glob("*.webp"))
    if missing or total > MOST_BYTES:
        raise SystemExit(
            f"{total:,} bytes of {MOST_BYTES:,}; missing: {', '.join(missing) or 'none'}"
        )
    print(f"{total:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
