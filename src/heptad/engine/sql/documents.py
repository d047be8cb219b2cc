# SPDX-License-Identifier: Apache-2.0
"""YAML documents with the line of each part, so that an error names its place."""

from __future__ import annotations

from typing import Any

import yaml

from heptad.engine.sql.forms import _Loader
from heptad.standards.errors import HeptadError, InputError

LONGEST = 1_000_000
"""A document of more characters than this is refused before it is parsed."""

Path = tuple[str | int, ...]


class Document:
    """A parsed YAML document: plain data, and the line where each part begins.

    Args:
        text: the YAML.
        name: of the file, for errors.

    Raises:
        InputError: if it is not YAML, or not a mapping.
    """

    def __init__(self, text: str, name: str) -> None:
        if len(text) > LONGEST:
            raise InputError(f"{name} has more than {LONGEST} characters.", got=len(text))
        self.name = name
        self._lines: dict[Path, int] = {}
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
            self.data: Any = None if node is None else loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
            raise InputError(f"This is not YAML: {error.problem}.", place=name + line) from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InputError("This is not YAML.", got=str(error)[:200], place=name) from None
        if not isinstance(self.data, dict):
            raise InputError(
                "A document of rules or of a flow is a mapping.",
                place=name,
                do="begin with name: …",
            )
        self._note(node, ())

    def _note(self, node: yaml.Node | None, path: Path) -> None:
        todo = [(node, path)]
        while todo:
            at, where = todo.pop()
            if at is None:
                continue
            self._lines.setdefault(where, at.start_mark.line + 1)
            if isinstance(at, yaml.MappingNode):
                for key, value in at.value:
                    self._lines[(*where, key.value)] = key.start_mark.line + 1
                    todo.append((value, (*where, key.value)))
            elif isinstance(at, yaml.SequenceNode):
                todo += [(value, (*where, n)) for n, value in enumerate(at.value)]

    def place(self, path: Path) -> str:
        """Say where a part stands: file and line of the part, or of what holds it."""
        while path and path not in self._lines:
            path = path[:-1]
        return f"{self.name} line {self._lines.get(path, 1)}"

    def put(self, error: HeptadError, path: Path) -> HeptadError:
        """Give an error the place where it was met, unless it has one."""
        error.place = error.place or self.place(path)
        return error
