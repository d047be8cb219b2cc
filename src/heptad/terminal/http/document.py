# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document: what the routes declare, and the rows of each table with their units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.standards import Code, Day, Flag, Instant, Integer, Money, Number, Place, Text
from heptad.terminal.http.schemas import Problem

if TYPE_CHECKING:
    from fastapi import FastAPI

    from heptad.runtime import Platform
    from heptad.standards import Field, Table

DESCRIPTION = """Tables, decisions, features, lineage and the decision log of one project.

- **Keys.** As long as no key has been issued, only this machine may call. From the first key on
  every call sends `Authorization: Bearer hep_…`; `/health` alone needs none.
- **Purpose.** `Heptad-Purpose` says why rows are read. Without it personal values are masked.
  Decisions and features are read for the application's purpose or a review; without the header, for
  the first of these that the key has. Where a purpose rests on consent, rows of those who have not
  given it are left out. Each read is recorded before it is answered, see `/v1/access`.
- **Units.** Amounts are decimal text on the way in, and minor units of their currency on the way
  out; instants are ISO 8601 in UTC; rates are fractions.
- **Errors** are problem documents (RFC 9457): what happened, the value met, what to do.
- **Again.** Every request may be repeated: rows are stored once, and an `Idempotency-Key` answers
  the same body with the first decision, another body with 409.
"""
TAGS = [
    {"name": "tables", "description": "What tables declare and hold; rows posted to them."},
    {"name": "decisions", "description": "Applications, and what they decided and why."},
    {
        "name": "flows",
        "description": "What decides: shown, tried on history, published by two people.",
    },
    {"name": "lists", "description": "Allow, deny and watch lists, and what stands on them."},
    {"name": "reads", "description": "Features, lineage, models, loads and the log."},
    {"name": "console", "description": "What the console draws its pages from."},
    {"name": "subjects", "description": "Persons: what is held of them, and erasing it."},
    {"name": "cases", "description": "What people work on: inboxes, steps, four eyes."},
    {"name": "messages", "description": "What people are told, or why not; ways out."},
    {"name": "schedule", "description": "What is due, what did not come, and the law."},
    {"name": "service", "description": "Health and metrics."},
]
_DECIMAL = r"^-?\d+(\.\d+)?$"
_KEY = "apiKey"
_EXAMPLES = {
    Instant: "2026-03-01T09:30:00Z",
    Day: "2026-03-01",
    Money: "12.50",
    Number: "0.25",
    Integer: 3,
    Flag: True,
}
"""What a value of a kind looks like."""
_MOST_CODES = 60


def install(app: FastAPI, platform: Platform) -> None:
    """Complete the document of an application when it is asked for."""
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            parts = document.setdefault("components", {})
            schemas = parts.setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            rows = {f"Row.{name}": row_schema(t) for name, t in sorted(platform.tables.items())}
            schemas.update(rows)
            parts["securitySchemes"] = {_KEY: {"type": "http", "scheme": "bearer"}}
            document["security"] = [{}, {_KEY: []}]
            _describe_posts(document, list(rows))
            document["tags"] = [_told(tag, platform) for tag in TAGS]
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]


def _told(tag: dict[str, str], platform: Platform) -> dict[str, str]:
    """Return a tag; that of the decisions lists the routes of each application by name."""
    if tag["name"] != "decisions":
        return tag
    lines = [
        line
        for name, app in platform.apps.items()
        for line in (
            f"- **{app.title}.** `POST /v1/apps/{name}/decide` takes a `Row.{app.on.__name__}` "
            f"as `row`, for the purpose {app.purpose}.",
            *(f"- `GET /v1/apps/{name}/pages/{p.path}`: {p.question}" for p in app.pages),
        )
    ]
    return tag | {"description": "\n".join([tag["description"], "", *lines])}


def _describe_posts(document: dict[str, Any], rows: list[str]) -> None:
    """Say which rows can be posted, by reference to the tables."""
    any_row = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in rows]}
    content = document["paths"]["/v1/tables/{name}/rows"]["post"]["requestBody"]["content"]
    content["application/json"]["schema"] = {"type": "array", "items": any_row}


def row_schema(table: type[Table]) -> dict[str, Any]:
    """Return the schema of a row of a table as it is posted."""
    fields = table.fields.values()
    properties: dict[str, Any] = {}
    for field in fields:
        for name in [c.name for c in field.columns()] if isinstance(field, Place) else [field.name]:
            properties[name] = _property(field)
    needed = [n for f in fields if not f.optional for n in properties if _is_of(n, f)]
    return {
        "type": "object",
        "title": table.__name__,
        "description": (table.__doc__ or "").strip().splitlines()[0],
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
        "example": {name: properties[name]["examples"][0] for name in needed},
    }


def _is_of(column: str, field: Field) -> bool:
    return column == field.name or column in {c.name for c in field.columns()}


def _property(field: Field) -> dict[str, Any]:
    """Return the schema of one posted value, with its unit in words."""
    kind = "boolean" if isinstance(field, Flag) else "string"
    found: dict[str, Any] = {"type": ["integer", "string"] if isinstance(field, Integer) else kind}
    found |= _shape(field)
    marks = [field.doc]
    if unit := unit_of(field):
        marks.append(f"Unit: {unit}")
        found["x-unit"] = unit
    if field.personal:
        marks.append("Personal")
    found["description"] = ". ".join(m.rstrip(".") for m in marks) + "."
    found.setdefault("examples", [_example(field)])
    return found


def _shape(field: Field) -> dict[str, Any]:
    """Return what restricts a value."""
    if isinstance(field, Instant):
        return {"format": "date-time"}
    if isinstance(field, Day):
        return {"format": "date"}
    if isinstance(field, Money | Number | Place):
        return {"pattern": _DECIMAL}
    if isinstance(field, Text):
        return {"maxLength": field.max_length}
    if isinstance(field, Code) and len(field.codes) <= _MOST_CODES:
        return {"enum": sorted(field.codes)}
    return {}


def unit_of(field: Field) -> str:
    """Say in which unit a posted value is."""
    if isinstance(field, Money):
        return f"the currency named in `{field.currency}`, as decimal text"
    if isinstance(field, Place):
        return "degrees, WGS 84, as decimal text"
    if isinstance(field, Code):
        return field.standard
    if isinstance(field, Instant):
        return field.unit or "ISO 8601, UTC if it names no offset"
    return field.unit


def _example(field: Field) -> Any:
    if isinstance(field, Code):
        return "EUR" if "EUR" in field.codes else min(field.codes)
    if isinstance(field, Place):
        return "40.4168000"
    if isinstance(field, Text) and field.pan:
        return "4111111111111111"
    return _EXAMPLES.get(type(field), f"{field.name[0]}17")
