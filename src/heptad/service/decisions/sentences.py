# SPDX-License-Identifier: Apache-2.0
"""Reasons as sentences, from the message files of their application."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import TYPE_CHECKING

from heptad.standards.errors import InputError
from heptad.standards.money import format_minor

if TYPE_CHECKING:
    from pathlib import Path

    from heptad.service.app import App, Plain, Reason

LANGUAGES = ("en", "zh")
_HOLE = re.compile(r"\{(\w+)(?:\|(\w+))?\}")


@cache
def messages(folder: Path, language: str) -> dict[str, str]:
    """Read the message file of a package.

    Args:
        folder: the package's folder, which holds messages/LANGUAGE.toml.
        language: one of `LANGUAGES`; a missing file or code falls back to English.

    Raises:
        InputError: if a file is not TOML of text.
    """
    found: dict[str, str] = {}
    for name in dict.fromkeys(("en", language)):
        path = folder / "messages" / f"{name}.toml"
        if not path.exists():
            continue
        try:
            found |= tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise InputError(
                "A message file must be TOML.", got=str(error), place=path.name
            ) from error
    return found


def sentence(app: App, reason: Reason, *, language: str = "en", currency: str = "EUR") -> str:
    """Say a reason in words; an unknown code says its code and numbers.

    A value that is not known has a sentence of its own, under the code with `_UNKNOWN` behind it.
    """
    found = messages(app.folder, language)
    template = found.get(reason.code)
    if template and None in reason.numbers.values():
        template = found.get(f"{reason.code}_UNKNOWN", template)
    if template is None and app.flow is not None:
        template = app.flow.says(reason.code, language)
    if template is None:
        numbers = ", ".join(f"{n} {v}" for n, v in reason.numbers.items())
        return f"{reason.code.lower().replace('_', ' ')}{': ' + numbers if numbers else ''}"
    return _HOLE.sub(
        lambda hole: _shown(reason.numbers.get(hole[1]), hole[2] or "", currency), template
    )


def _shown(value: Plain, form: str, currency: str) -> str:
    """Write one number of a sentence."""
    if value is None:
        return "–"
    if form == "money" and isinstance(value, int | float):
        return format_minor(round(value), currency)
    if form == "percent" and isinstance(value, int | float):
        return f"{value * 100:.4g} %"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if type(value) is int else str(value)
