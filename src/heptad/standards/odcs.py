# SPDX-License-Identifier: Apache-2.0
"""A table's declaration as a document of the Open Data Contract Standard, version 3.1.0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heptad.standards.fields import Code, Field, Instant, Money, Number, Place, Ref, Text
from heptad.standards.tables import MONTH, SYSTEM

if TYPE_CHECKING:
    from heptad.standards.fields import Column, Kind
    from heptad.standards.tables import Table

API_VERSION = "v3.1.0"

_LOGICAL: dict[Kind, str] = {
    "text": "string",
    "integer": "integer",
    "instant": "timestamp",
    "day": "date",
    "flag": "boolean",
    "sealed": "string",
}
_PHYSICAL: dict[Kind, str] = {
    "text": "string",
    "integer": "long",
    "instant": "long",
    "day": "date",
    "flag": "boolean",
    "sealed": "binary",
}
"""What Delta Lake calls the stored type."""

_SEALED = "ciphertext under the subject's key"
_CARD = "token: BIN, keyed hash and last four digits"
_SYSTEM_DOC = {
    "known_time": "When the institution could have used this row version, UTC",
    "_deleted": "Whether this row version says that the row is gone",
    "_load": "The load that stored it",
    "_line": "Its record number within that load",
    "_hash": "64-bit hash of its content",
    "_month": "Month of event_time, UTC, as YYYY-MM",
}
_UTC = {"timezone": True, "defaultTimezone": "Etc/UTC"}
_MICROSECONDS = "microseconds since 1970-01-01T00:00:00Z"
_EVENT_RULE = (
    "As of event time t and known time k: of the row versions of one key with known_time <= k, "
    "the last by (known_time, _load, _line) holds, unless it is deleted or its event_time > t."
)
_STATE_RULE = (
    "As of event time t and known time k: of the row versions of one key and event_time with "
    "known_time <= k, the last by (known_time, _load, _line) holds unless it is deleted; of "
    "these, the latest event_time <= t is the state."
)


def odcs(table: type[Table]) -> dict[str, Any]:
    """Return the contract of a table as plain data, ready to be written as YAML.

    Bounds, keys and presence hold for the rows of an as-of read; types are those stored, so
    amounts and scaled numbers are whole numbers, and bounds are given in the stored unit.

    Returns:
        A document that the standard's JSON schema for `API_VERSION` accepts.
    """
    declared = [_property(c, f) for f in table.fields.values() for c in f.columns()]
    system = (*SYSTEM, *(() if table.state else (MONTH,)))
    body: dict[str, Any] = {
        "name": table.__name__,
        "physicalName": table.__name__,
        "logicalType": "object",
        "physicalType": "table",
        "description": _sentence(table),
        "properties": [*declared, *map(_system_property, system)],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": f"urn:heptad:table:{table.__name__}",
        "name": table.__name__,
        "version": f"0.0.0+{table.version_hash()}",
        "status": "active",
        "description": {
            "purpose": _sentence(table),
            "usage": _STATE_RULE if table.state else _EVENT_RULE,
            "limitations": (
                "Several stored row versions may share a key; keys are unique, and required "
                "values present, in the rows of an as-of read."
            ),
        },
        "schema": [body],
        "customProperties": _custom(
            contractHash=table.version_hash(),
            state=table.state,
            subject="" if table.subject is None else table.subject.name,
            subjectTable=table.subject_type(),
        ),
    }


def _sentence(table: type[Table]) -> str:
    return (table.__doc__ or "").strip().splitlines()[0]


def _property(column: Column, field: Field) -> dict[str, Any]:
    """Describe one declared physical column."""
    found: dict[str, Any] = {
        "name": column.name,
        "logicalType": _LOGICAL[column.kind],
        "physicalType": _PHYSICAL[column.kind],
        "description": field.doc,
        "required": not column.optional,
    }
    if field.key:
        found |= {"primaryKey": True, "primaryKeyPosition": 1}
    if field.personal:
        found["classification"] = "personal"
    if isinstance(field, Ref):
        found["relationships"] = [{"to": f"{field.target_name}.{field.target.key.name}"}]
    if options := _options(column, field):
        found["logicalTypeOptions"] = options
    if quality := _quality(field):
        found["quality"] = quality
    return found | {"customProperties": _clauses(column, field)}


def _options(column: Column, field: Field) -> dict[str, Any]:
    """Return the bounds that the standard can say; those of sealed values concern no reader."""
    if column.kind == "instant":
        return dict(_UTC)
    if isinstance(field, Text) and column.kind == "text":
        return {"maxLength": field.max_length}
    if column.kind != "integer":
        return {}
    options: dict[str, Any] = {"format": "i64"}
    if isinstance(field, Place):
        most = (90 if column.name.endswith("_lat") else 180) * 10**Place.SCALE
        return options | {"minimum": -most, "maximum": most}
    for name, bound in (("minimum", field.ge), ("maximum", field.le)):
        if bound is not None and not (isinstance(field, Money) and bound):
            options[name] = bound * 10**field.scale if isinstance(field, Number) else bound
    return options


def _quality(field: Field) -> list[dict[str, Any]]:
    """Return the rules that the standard has no option for."""
    if isinstance(field, Code):
        return [
            {
                "metric": "invalidValues",
                "arguments": {"validValues": sorted(field.codes)},
                "mustBe": 0,
                "dimension": "conformity",
                "description": f"Codes of {field.standard or 'the list given'} only.",
            }
        ]
    if not isinstance(field, Money):
        return []
    return [
        {
            "type": "text",
            "dimension": "conformity",
            "description": f"{says} {bound}, in whole units of the currency in {field.currency}.",
        }
        for says, bound in (("At least", field.ge), ("At most", field.le))
        if bound
    ]


def _clauses(column: Column, field: Field) -> list[dict[str, Any]]:
    """Return what the declaration says beyond the standard's own words."""
    kept: dict[str, Any] = {"type": type(field).__name__, **_meaning(field)}
    if column.kind == "sealed":
        kept |= {"stored": _SEALED, "ge": field.ge, "le": field.le}
        kept["maxLength"] = getattr(field, "max_length", None)
    if getattr(field, "pan", False):
        kept |= {"pan": True, "stored": _CARD}
    return _custom(**kept, subject=field.subject or None, purposes=sorted(field.purposes))


def _meaning(field: Field) -> dict[str, Any]:
    """Return what turns the stored value into the one that people mean."""
    if isinstance(field, Instant):
        return {"unit": field.unit or _MICROSECONDS}
    if isinstance(field, Place):
        return {"place": field.name, "unit": "degree", "scale": Place.SCALE, "datum": "WGS 84"}
    if isinstance(field, Number):
        return {"unit": field.unit, "scale": field.scale}
    if isinstance(field, Money):
        return {"unit": field.unit or "minor units", "currency": field.currency}
    return {"unit": field.unit, "standard": field.standard if isinstance(field, Code) else ""}


def _system_property(column: Column) -> dict[str, Any]:
    """Describe a column that the platform adds to every table."""
    found: dict[str, Any] = {
        "name": column.name,
        "logicalType": _LOGICAL[column.kind],
        "physicalType": _PHYSICAL[column.kind],
        "description": _SYSTEM_DOC[column.name],
        "required": True,
    }
    if column == MONTH:
        found |= {"partitioned": True, "partitionKeyPosition": 1}
    if column.kind != "instant":
        return found | {"customProperties": _custom(system=True)}
    more = _custom(system=True, unit=_MICROSECONDS)
    return found | {"logicalTypeOptions": dict(_UTC), "customProperties": more}


def _custom(**clauses: Any) -> list[dict[str, Any]]:
    """Return custom properties, without those that say nothing."""
    return [
        {"property": name, "value": value}
        for name, value in clauses.items()
        if value not in (None, "", [])
    ]
