# SPDX-License-Identifier: Apache-2.0
"""On which line of a TOML text each section and each key stands."""

from __future__ import annotations

import re
from collections import Counter

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=""")
_INLINE = re.compile(r"""[{,]\s*([A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*=""")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|' + r"'[^']*'")
_TRIPLE = ('"""', "'''")

Place = tuple[str | int, ...]


class Lines:
    """The lines of a TOML document that parses.

    Args:
        text: the document.
    """

    def __init__(self, text: str) -> None:
        self._found: dict[Place, int] = {(): 1}
        self._tables: Counter[str] = Counter()
        self._last_key: Place = ()
        section: Place = ()
        closing, depth = "", 0
        for number, line in enumerate(text.splitlines(), 1):
            if closing:
                closing = "" if closing in line else closing
                continue
            if depth == 0 and (header := _HEADER.match(line)):
                section = self._section(header[1], header[2], number)
                continue
            if depth == 0 and (key := _KEY.match(line)):
                self._key((*section, *_parts(key[1])), number)
            self._inline(line, number)
            closing = next((t for t in _TRIPLE if line.count(t) % 2), "")
            bare = _STRING.sub("", line).partition("#")[0]
            depth += sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}")

    def of(self, *place: str | int) -> int:
        """Return the line of a key, or of the nearest thing around it."""
        while place not in self._found:
            place = place[:-1]
        return self._found[place]

    def _section(self, brackets: str, name: str, number: int) -> Place:
        parts = _parts(name)
        if brackets == "[[":
            index = self._tables[name]
            self._tables[name] += 1
            section: Place = (*parts, index)
        elif parts[0] in self._tables:
            section = (parts[0], self._tables[str(parts[0])] - 1, *parts[1:])
        else:
            section = parts
        self._found.setdefault(section, number)
        return section

    def _key(self, place: Place, number: int) -> None:
        self._last_key = place
        self._found.setdefault(place, number)

    def _inline(self, line: str, number: int) -> None:
        """Remember the keys of an inline table under the key that it is the value of."""
        text = line.partition("=")[2] if _KEY.match(line) else "," + line
        for found in _INLINE.finditer(text):
            self._found.setdefault((*self._last_key, *_parts(found[1])), number)


def _parts(name: str) -> Place:
    return tuple(part.strip().strip("\"'") for part in name.split("."))
