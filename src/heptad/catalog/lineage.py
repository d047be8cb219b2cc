# SPDX-License-Identifier: Apache-2.0
"""Lineage: which column, feature, model and application is made from which, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import insert, or_, select, update

from heptad.catalog.inserts import upsert
from heptad.catalog.schema import EdgeRow, NodeRow
from heptad.standards.errors import ContractError, UnknownName, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from heptad.catalog.store import Store

Kind = Literal["source", "table", "feature", "model", "app"]
KINDS: tuple[Kind, ...] = ("source", "table", "feature", "model", "app")
LIMIT = 300
"""How many nodes an answer holds at most: a picture with more says nothing."""
_NODES = select(NodeRow.id, NodeRow.kind, NodeRow.name, NodeRow.column)
_EDGES = 2000
_CHUNK = 500


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A thing that lineage knows.

    Attributes:
        kind: source, table, feature, model or app.
        name: of the source, table, application's feature ("fraud.count_1h"), model or app.
        column: of a source or table; "" for the others.
    """

    kind: Kind
    name: str
    column: str = ""

    @property
    def text(self) -> str:
        """The node as one word: `table:Payment.amount`, `feature:fraud.count_1h`."""
        return f"{self.kind}:{self.title}"

    @property
    def title(self) -> str:
        """The node as people write it: `Payment.amount`."""
        return f"{self.name}.{self.column}" if self.column else self.name


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """`target` is made from `origin`; `how` says by which expression, as text."""

    origin: Node
    target: Node
    how: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """A part of the lineage.

    Attributes:
        start: the nodes asked about.
        nodes: the start and what was reached, the nearest first.
        edges: the edges among these nodes.
        truncated: whether there is more than the answer may hold.
    """

    start: tuple[Node, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    truncated: bool

    @property
    def note(self) -> str:
        """What the answer leaves out, as a sentence; "" if nothing."""
        return f"Only the {len(self.nodes)} nearest nodes are shown." if self.truncated else ""


@dataclass(frozen=True, slots=True)
class Impact:
    """What a change of a node touches, by kind and sorted; `truncated` if there is more."""

    tables: tuple[str, ...]
    features: tuple[str, ...]
    models: tuple[str, ...]
    apps: tuple[str, ...]
    truncated: bool


class Lineage:
    """The edges of a project, kept with the time during which a definition said so."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(
        self, scope: str, edges: Iterable[Edge], *, definition: str = "", load: int | None = None
    ) -> int:
        """Make `edges` all that a scope says from now on; what it no longer says ends now.

        Args:
            scope: who says so, for example "source:cards → Payment" or "feature:fraud.count_1h".
            edges: all edges of the scope; none to end it.
            definition: version or hash of the definition.
            load: the load that used it.

        Returns:
            How many edges began or ended.

        Raises:
            ContractError: if a node has no name or an unknown kind.
        """
        wanted = set(edges)
        now = self._store.clock.now()
        with self._store.write() as connection:
            ids = _ids(connection, {node for edge in wanted for node in (edge.origin, edge.target)})
            keys = {(ids[e.origin], ids[e.target], e.how): e for e in wanted}
            live = self._live(connection, scope)
            gone = [live[key] for key in live.keys() - keys.keys()]
            for start in range(0, len(gone), _CHUNK):
                ended = update(EdgeRow).where(EdgeRow.id.in_(gone[start : start + _CHUNK]))
                connection.execute(ended.values(until=now))
            rows = [
                {
                    "origin": origin,
                    "target": target,
                    "how": how,
                    "scope": scope,
                    "definition": definition,
                    "load": load,
                    "since": now,
                }
                for origin, target, how in sorted(keys.keys() - live.keys())
            ]
            if rows:
                connection.execute(insert(EdgeRow), rows)
        return len(rows) + len(gone)

    def upstream(self, node: Node | str, *, at: int | None = None, limit: int = LIMIT) -> Graph:
        """Return what a node is made from, directly and indirectly.

        Args:
            node: a node, or its text or title; a table's or source's name means all its columns.
            at: the instant at which the definitions held, µs UTC; now if not given.
            limit: most nodes in the answer, at most 300.

        Raises:
            UnknownName: if lineage does not know the node.
        """
        return self._walk(node, EdgeRow.target, EdgeRow.origin, at, limit)

    def downstream(self, node: Node | str, *, at: int | None = None, limit: int = LIMIT) -> Graph:
        """Return what is made from a node, directly and indirectly; see `upstream`."""
        return self._walk(node, EdgeRow.origin, EdgeRow.target, at, limit)

    def impact(self, node: Node | str) -> Impact:
        """Return what a change of a node touches, by kind; see `upstream`."""
        graph = self.downstream(node)
        by: dict[str, set[str]] = {kind: set() for kind in KINDS}
        for found in graph.nodes:
            if found not in graph.start:
                by[found.kind].add(found.title)
        tables, features, models, apps = (tuple(sorted(by[kind])) for kind in KINDS[1:])
        return Impact(tables, features, models, apps, graph.truncated)

    def scopes(self) -> set[str]:
        """Return the scopes that say something now."""
        with self._store.read() as connection:
            wanted = select(EdgeRow.scope).where(EdgeRow.until.is_(None)).distinct()
            return set(connection.execute(wanted).scalars())

    def into(self, table: str, *, at: int | None = None) -> list[Edge]:
        """Return the edges that fill a table's columns, sorted."""
        with self._store.read() as connection:
            of_table = select(NodeRow.id).where(NodeRow.kind == "table", NodeRow.name == table)
            return sorted(_edges(connection, EdgeRow.target.in_(of_table), _held(at)))

    def _live(self, connection: Connection, scope: str) -> dict[tuple[int, int, str], int]:
        """Return the edges that a scope says now."""
        wanted = select(EdgeRow.id, EdgeRow.origin, EdgeRow.target, EdgeRow.how)
        wanted = wanted.where(EdgeRow.scope == scope, EdgeRow.until.is_(None))
        return {(r.origin, r.target, r.how): r.id for r in connection.execute(wanted)}

    def _walk(self, node: Node | str, near: Any, far: Any, at: int | None, limit: int) -> Graph:
        """Go from a node along the edges, level by level, until the limit."""
        limit = max(1, min(limit, LIMIT))
        with self._store.read() as connection:
            start = _find(connection, node)
            found = dict(list(start.items())[:limit])
            truncated = len(start) > limit
            level = list(found)
            while level and not truncated:
                step = select(far).where(near.in_(level), _held(at)).distinct().order_by(far)
                reached = connection.execute(step.limit(limit * 2)).scalars()
                fresh = _nodes(connection, sorted(set(reached) - found.keys()))
                room = limit - len(found)
                truncated = len(fresh) > room
                level = list(fresh)[:room]
                found |= {number: fresh[number] for number in level}
            inside = (EdgeRow.origin.in_(found), EdgeRow.target.in_(found))
            edges = _edges(connection, *inside, _held(at), limit=_EDGES + 1)
        return Graph(
            start=tuple(node for number, node in found.items() if number in start),
            nodes=tuple(found.values()),
            edges=tuple(sorted(edges)[:_EDGES]),
            truncated=truncated or len(edges) > _EDGES,
        )


def _held(at: int | None) -> Any:
    """Select the edges that held at an instant, or hold now."""
    if at is None:
        return EdgeRow.until.is_(None)
    return (EdgeRow.since <= at) & or_(EdgeRow.until.is_(None), EdgeRow.until > at)


def _ids(connection: Connection, nodes: set[Node]) -> dict[Node, int]:
    """Return the numbers of nodes, and give one to each that has none."""
    for node in nodes:
        if node.kind not in KINDS or not node.name:
            raise ContractError(
                "A node of the lineage needs a kind and a name.",
                got=node.text,
                do=suggest(node.kind, KINDS),
            )
    names = [
        {"text": node.text, "kind": node.kind, "name": node.name, "column": node.column}
        for node in sorted(nodes)
    ]
    upsert(connection, NodeRow, names, key=("kind", "name", "column"))
    numbers: dict[Node, int] = {}
    for start in range(0, len(names), _CHUNK):
        texts = [name["text"] for name in names[start : start + _CHUNK]]
        rows = connection.execute(_NODES.where(NodeRow.text.in_(texts)))
        numbers |= {Node(row.kind, row.name, row.column): row.id for row in rows}
    return numbers


def _find(connection: Connection, node: Node | str) -> dict[int, Node]:
    """Return the nodes that a word means.

    Raises:
        UnknownName: if there is none.
    """
    text = node.text if isinstance(node, Node) else node
    texts = [text, *(f"{kind}:{text}" for kind in KINDS)]
    kind, _, name = text.partition(":")
    whole = (
        (NodeRow.kind == kind) & (NodeRow.name == name) if kind in KINDS else NodeRow.name == text
    )
    for condition in (NodeRow.text.in_(texts), whole):
        rows = connection.execute(_NODES.where(condition).order_by(NodeRow.text)).all()
        if rows:
            return {row.id: Node(row.kind, row.name, row.column) for row in rows}
    known = connection.execute(select(NodeRow.text).limit(10_000)).scalars()
    titles = {text.partition(":")[2] for text in known}
    raise UnknownName("The lineage knows no such name.", got=text, do=suggest(text, titles))


def _nodes(connection: Connection, numbers: Sequence[int]) -> dict[int, Node]:
    """Return nodes by number, sorted as people read them."""
    found: dict[int, Node] = {}
    for start in range(0, len(numbers), _CHUNK):
        chunk = _NODES.where(NodeRow.id.in_(numbers[start : start + _CHUNK]))
        found |= {r.id: Node(r.kind, r.name, r.column) for r in connection.execute(chunk)}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _edges(connection: Connection, *conditions: Any, limit: int | None = None) -> set[Edge]:
    """Return the edges that fit."""
    wanted = select(EdgeRow.origin, EdgeRow.target, EdgeRow.how).where(*conditions)
    rows = connection.execute(wanted.order_by(EdgeRow.id).limit(limit)).all()
    nodes = _nodes(connection, sorted({n for row in rows for n in (row.origin, row.target)}))
    return {Edge(nodes[row.origin], nodes[row.target], row.how) for row in rows}
