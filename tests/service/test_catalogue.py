# SPDX-License-Identifier: Apache-2.0
"""The page of operators says what the code declares."""

from pathlib import Path

from heptad.service.operators.catalogue import page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "operators.md"


def test_the_page_of_operators_is_up_to_date():
    """Write it again with `python -m tests.service.test_catalogue`."""
    assert PAGE.read_text(encoding="utf-8") == page()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
