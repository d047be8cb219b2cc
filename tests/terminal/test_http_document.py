# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document is complete, true of every answer, and readable without another server."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from heptad.runtime import discover
from heptad.standards.model import MODEL, Payment
from heptad.terminal.http import document as documents
from heptad.terminal.http.api import public
from heptad.terminal.http.manual import page
from heptad.testing.scratch import project
from tests.terminal.calling import Client
from tests.terminal.rows import payment

if TYPE_CHECKING:
    from collections.abc import Iterator

PROBLEMS = {"400", "401", "403", "404", "409", "413", "415", "422", "503"}


@pytest.fixture(scope="module")
def api() -> Iterator[Client]:
    """The API of a project with three payments, decided."""
    with project({Payment: [payment(n) for n in range(3)]}) as opened:
        opened.decide("fraud")
        yield Client(public(opened))


@pytest.fixture(scope="module")
def document(api: Client) -> dict[str, Any]:
    """The document as it is served."""
    found: dict[str, Any] = api.get("/openapi.json").json()
    return found


def routes(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and route."""
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            yield method, path, route


def test_every_route_says_what_it_does_and_every_problem_it_may_answer(
    document: dict[str, Any],
) -> None:
    for method, path, route in routes(document):
        where = f"{method} {path}"
        assert len(route["description"]) > 15, where
        assert route["tags"], where
        assert route["responses"].keys() >= PROBLEMS, where
        for status in PROBLEMS:
            content = route["responses"][status]["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, where


def test_every_success_has_a_schema_with_described_fields(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for method, path, route in routes(document):
        if path == "/metrics":
            continue
        content = route["responses"]["200"]["content"]["application/json"]
        name = content["schema"]["$ref"].rpartition("/")[2]
        assert schemas[name]["description"], f"{method} {path}"
        assert schemas[name]["properties"], f"{method} {path}"


def test_every_parameter_is_described(document: dict[str, Any]) -> None:
    for method, path, route in routes(document):
        for parameter in route.get("parameters", ()):
            if parameter["in"] != "path":
                assert parameter.get("description"), f"{method} {path} {parameter['name']}"


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for value in part.values():
                yield from references(value)
        elif isinstance(part, list):
            for value in part:
                yield from references(value)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


@pytest.mark.parametrize("name", sorted(MODEL))
def test_a_row_of_each_table_can_be_posted_by_its_schema(
    document: dict[str, Any], name: str
) -> None:
    schema = document["components"]["schemas"][f"Row.{name}"]
    table = MODEL[name]
    for field in table.fields.values():
        columns = [c.name for c in field.columns()] if len(field.columns()) > 1 else [field.name]
        for column in columns:
            shown = schema["properties"][column]
            assert shown["description"].startswith(field.doc.rstrip(".")), column
            assert (column in schema["required"]) is not field.optional
            assert bool(documents.unit_of(field)) is ("x-unit" in shown)
    assert schema["example"].keys() == set(schema["required"])


def test_the_examples_of_the_document_pass_the_checks(
    api: Client, document: dict[str, Any]
) -> None:
    """An example that is refused teaches what does not work."""
    for name in ("Payment", "Transfer", "Customer", "LoanApplication", "Rate", "Claim"):
        example = document["components"]["schemas"][f"Row.{name}"]["example"]
        answer = api.post(f"/v1/tables/{name}/rows", json=[example])
        found = answer.json()
        assert found["accepted"] == 1, found["rejected"]


def test_amounts_say_their_unit_and_codes_their_list(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["Row.Payment"]["properties"]
    assert "currency named in `currency`" in properties["amount"]["x-unit"]
    assert re.fullmatch(properties["amount"]["pattern"], "12.50")
    assert properties["status"]["enum"] == ["authorised", "declined", "reversed"]
    assert properties["currency"]["x-unit"] == "ISO 4217"
    assert "Personal" in properties["card"]["description"]


def test_keys_are_declared_and_rows_can_be_posted_as_any_table(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    body = document["paths"]["/v1/tables/{name}/rows"]["post"]["requestBody"]
    assert body["content"].keys() == {"application/json", "application/x-ndjson"}
    listed = body["content"]["application/json"]["schema"]["items"]["anyOf"]
    assert {"$ref": "#/components/schemas/Row.Payment"} in listed


class Page(HTMLParser):
    """What a page holds: texts, links, the ids they lead to, and open tags."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        given = dict(attrs)
        self.tags.append(tag)
        self.ids.add(given.get("id") or "")
        self.links += [value for name in ("href", "src") if (value := given.get(name))]

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text += data


def test_the_manual_shows_every_route_and_schema_and_needs_nobody_else(
    api: Client, document: dict[str, Any]
) -> None:
    answer = api.get("/docs")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    shown = Page()
    shown.feed(answer.text)
    for method, path, _ in routes(document):
        assert f"{method.upper()} {path}" in shown.text
    assert document["components"]["schemas"].keys() <= shown.ids
    assert "script" not in shown.tags
    inside = {link[1:] for link in shown.links if link.startswith("#")}
    assert inside <= shown.ids
    assert [link for link in shown.links if not link.startswith("#")] == ["openapi.json"]


def test_the_routes_of_each_application_are_listed_by_name(api: Client) -> None:
    shown = Page()
    shown.feed(api.get("/docs").text)
    for name, app in discover().items():
        assert f"POST /v1/apps/{name}/decide" in shown.text
        for shown_page in app.pages:
            assert f"GET /v1/apps/{name}/pages/{shown_page.path}" in shown.text


def test_the_manual_cannot_be_written_to_by_what_it_shows(document: dict[str, Any]) -> None:
    evil = "<script>alert(1)</script>"
    changed = document | {"info": {"title": evil, "version": evil, "description": f"`{evil}`"}}
    tag = {"name": "tables", "description": f"- {evil}\n- **{evil}**"}
    assert "<script" not in page(changed | {"tags": [tag]})
