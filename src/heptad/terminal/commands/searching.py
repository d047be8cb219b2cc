# SPDX-License-Identifier: Apache-2.0
"""The command that searches what a project knows, by words: names, what they mean, and the manual."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import heptad

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heptad.runtime import Platform

_SHORTEST_ID = 4
_MODELS = 200
_WORD = re.compile(r"\w+")
_HEADING = re.compile(r"^#{1,3} +(.+)$", re.MULTILINE)


class Entry(NamedTuple):
    """Something that can be found: its kind, its name, what it says, where to see it."""

    kind: str
    name: str
    text: str
    see: str


def search(platform: Platform, text: str, limit: int = 20) -> dict[str, Any]:
    """Search tables, columns, features, applications, models, sources, decisions and the manual.

    Args:
        platform: the open project.
        text: words, or beginnings of words; or the first characters of a decision's id.
        limit: most findings.
    """
    wanted = text.strip()
    ids = []
    if len(wanted) >= _SHORTEST_ID:
        ids = platform.catalog.decisions.starting(wanted, limit=5)
    found = [
        {"kind": "decision", "name": name, "says": "", "see": f"heptad explain {name}"}
        for name in ids
    ]
    found += matches([*_named(platform), *pages()], wanted, limit)
    return {"text": text, "found": found[:limit]}


def matches(entries: list[Entry], text: str, limit: int) -> list[dict[str, Any]]:
    """Return the entries that hold all words of a text, or else any; the best first."""
    words = [word.casefold() for word in _split(text)]
    if not words:
        return []
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(
            "CREATE VIRTUAL TABLE entry USING fts5 (kind UNINDEXED, name, see UNINDEXED, "
            "words, says, tokenize = \"unicode61 remove_diacritics 2\", prefix = '2 3')"
        )
        rows = [(e.kind, e.name, e.see, " ".join(_split(e.name)), e.text) for e in entries]
        db.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?)", rows)
        for joined in (" AND ", " OR "):
            found = db.execute(
                "SELECT kind, name, snippet(entry, 4, '', '', '…', 16), see FROM entry "
                "WHERE entry MATCH ? ORDER BY bm25(entry, 0, 8, 0, 6, 1), name LIMIT ?",
                (joined.join(f'"{word}" *' for word in words), limit),
            ).fetchall()
            if found:
                break
    names = ("kind", "name", "says", "see")
    return [dict(zip(names, (k, n, " ".join(s.split()), w), strict=True)) for k, n, s, w in found]


def _split(text: str) -> list[str]:
    """Return the words of a text: `LoanApplication.spend_7d` has loan, application, spend and 7d."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ")
    return _WORD.findall(apart)


def _named(platform: Platform) -> Iterator[Entry]:
    """Yield what has a name in the project."""
    for name, table in platform.tables.items():
        yield Entry("table", name, table.__doc__ or "", f"heptad tables show {name}")
        for field in table.fields.values():
            title = f"{name}.{field.name}"
            yield Entry("column", title, field.doc, f"heptad lineage {title}")
    for app in platform.apps.values():
        yield Entry("application", app.name, app.title, f"heptad apps {app.name}")
        for feature, defined in app.features.items():
            name = f"{app.name}.{feature}"
            yield Entry("feature", name, defined.sentence(), f"heptad features show {name}")
    for model in platform.catalog.models.recent(limit=_MODELS):
        yield Entry("model", model.title, f"{model.stage} {model.note or ''}", "heptad models")
    for source in platform.project.sources:
        says = f"{source.table} from {source.origin}"
        yield Entry("source", source.name, says, "heptad config")


def pages(folder: Path | None = None) -> Iterator[Entry]:
    """Yield the sections of the manual, where it lies beside the program.

    Args:
        folder: of the pages; that of a checkout by default.
    """
    home = folder or Path(heptad.__file__).resolve().parents[2] / "docs"
    for page in sorted(home.rglob("*.md")):
        text = page.read_text(encoding="utf-8", errors="replace")
        parts = _HEADING.split(text)
        for title, body in zip(parts[1::2], parts[2::2], strict=True):
            yield Entry("page", title.strip(), body, str(page.relative_to(home.parent)))
