# SPDX-License-Identifier: Apache-2.0
"""The manual at /docs: the OpenAPI document as one page, without scripts or other servers."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid #8884; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
td { border-top: 1px solid #8884; }
h3 { margin: 2.5rem 0 .3rem; }
"""
_PREFIX = "#/components/schemas/"


def page(document: Mapping[str, Any]) -> str:
    """Render an OpenAPI document."""
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<meta name=viewport content='width=device-width'><title>{title}</title>",
        f"<style>{_STYLE}</style><h1>{title}</h1>",
        _text(info["description"]),
        "<p>The same for programs: <a href=openapi.json>openapi.json</a>.</p>",
    ]
    for tag in document["tags"]:
        name = escape(tag["name"])
        parts.append(f"<h2 id={name}>{name}</h2>{_text(tag['description'])}")
        parts += _routes(document, tag["name"])
    parts.append("<h2 id=schemas>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        parts.append(_schema(name, schema))
    return "\n".join(parts)


def _routes(document: Mapping[str, Any], tag: str) -> Iterator[str]:
    """Yield the routes of a tag."""
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            if tag in route.get("tags", ()):
                yield f"<h3><code>{method.upper()} {escape(path)}</code></h3>"
                yield _text(route.get("description", ""))
                yield from _parameters(route.get("parameters", ()))
                if "requestBody" in route:
                    yield from _bodies(route["requestBody"])
                yield from _answers(route["responses"])


def _parameters(parameters: Any) -> Iterator[str]:
    rows = [
        (
            f"<code>{escape(p['name'])}</code>",
            p["in"],
            _shape(p.get("schema", {})),
            _inline(p.get("description", p.get("schema", {}).get("description", ""))),
        )
        for p in parameters
    ]
    if rows:
        yield _table(("parameter", "in", "type", ""), rows)


def _bodies(body: Mapping[str, Any]) -> Iterator[str]:
    yield _text(body.get("description", ""))
    for media, content in body["content"].items():
        yield f"<p>Body <code>{escape(media)}</code>: {_shape(content.get('schema', {}))}</p>"
        if "example" in content:
            yield _code(content["example"])


def _answers(responses: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for status, answer in responses.items():
        shapes = [_shape(c.get("schema", {})) for c in answer.get("content", {}).values()]
        rows.append((status, " or ".join(shapes), _inline(answer["description"])))
    yield _table(("answer", "body", ""), rows)


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    """Render one schema with its properties, units and an example."""
    needed = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(field)}</code>" + ("" if field in needed else " (optional)"),
            _shape(found),
            _inline(found.get("description", "")),
        )
        for field, found in schema.get("properties", {}).items()
    ]
    shown = _table(("field", "type", ""), rows) if rows else ""
    example = _code(schema["example"]) if "example" in schema else ""
    text = _text(schema.get("description", ""))
    return f"<h3 id='{escape(name)}'><code>{escape(name)}</code></h3>{text}{shown}{example}"


def _shape(schema: Mapping[str, Any]) -> str:
    """Say in a few words what a schema takes."""
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(_PREFIX))
        return f"<a href='#{name}'>{name}</a>"
    if "anyOf" in schema:
        shapes = [_shape(s) for s in schema["anyOf"]]
        return " or ".join(shapes if len(shapes) < 9 else ["a row of the table"])
    if "items" in schema:
        return f"list of {_shape(schema['items'])}"
    kind = schema.get("type", "any")
    found = " or ".join(kind) if isinstance(kind, list) else kind
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        found = ", ".join(map(str, values))
    first = schema.get("examples", [])[:1]
    example = f", as <code>{escape(_plain(first[0]))}</code>" if first else ""
    return escape(str(found)) + example


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{h}</th>" for h in heads)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _code(example: Any) -> str:
    return f"<pre>{escape(example if isinstance(example, str) else json.dumps(example, indent=1))}</pre>"


def _text(markdown: str) -> str:
    """Render the little Markdown that descriptions use: paragraphs, lists, code, bold."""
    parts = []
    for block in markdown.strip().split("\n\n"):
        lines = block.split("\n- ") if block.startswith("- ") else []
        items = [line.removeprefix("- ") for line in lines]
        listed = "".join(f"<li>{_inline(item)}</li>" for item in items)
        parts.append(f"<ul>{listed}</ul>" if items else f"<p>{_inline(block)}</p>")
    return "".join(parts)


def _inline(text: str) -> str:
    """Render code and bold within a line."""
    for mark, tag in (("**", "b"), ("`", "code")):
        pieces = (escape(text) if mark == "**" else text).split(mark)
        even = len(pieces) % 2 == 1
        text = "".join(
            f"<{tag}>{piece}</{tag}>" if n % 2 and even else piece for n, piece in enumerate(pieces)
        )
    return text
