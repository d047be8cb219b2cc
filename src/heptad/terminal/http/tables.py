# SPDX-License-Identifier: Apache-2.0
"""Routes about tables: what they declare and hold, and rows posted to them."""

from __future__ import annotations

import codecs
import io
import json
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from heptad.sources.cells import parse_json
from heptad.standards.errors import InputError
from heptad.terminal.commands import run
from heptad.terminal.commands.decisions import row
from heptad.terminal.http.access import Caller, Opened, Reads, require_writer
from heptad.terminal.http.answers import Contract, Rows, TableInfo, TableList
from heptad.terminal.http.pages import ARROW, arrow_stream
from heptad.terminal.http.problems import RESPONSES, WrongMedia
from heptad.terminal.http.schemas import Decided, Loaded, Rejected

router = APIRouter(prefix="/v1/tables", tags=["tables"], responses=RESPONSES)
MOST_ROWS = 10_000
MOST_PLAIN = 1_000
"""Rows of an answer as JSON."""
MOST_VALUES = 500_000
_ONE = "send a list of objects as application/json, or one object a line as application/x-ndjson"
_EXAMPLE = (
    '{"id": "p17", "event_time": "2026-03-01T09:30:00Z", "customer": "c42", '
    '"amount": "12.50", "currency": "EUR", "status": "authorised"}\n'
)


@router.get("")
def tables(platform: Opened, _: Caller) -> TableList:
    """List the tables with their rows and versions."""
    return TableList(**run(platform, "tables.list", {}))


@router.get("/{name}")
def table(name: str, platform: Opened, _: Caller) -> TableInfo:
    """Show a table: its fields with units, its versions, what reads it."""
    return TableInfo(**run(platform, "tables.show", {"name": name}))


@router.get("/{name}/contract")
def contract(name: str, platform: Opened, _: Caller) -> Contract:
    """Return the contract of a table as ODCS v3, in YAML under `odcs`."""
    return Contract(**run(platform, "tables.export", {"table": name}))


@router.get("/{name}/rows", response_model=Rows)
def rows(
    name: str,
    request: Request,
    platform: Opened,
    reader: Reads,
    t: Annotated[
        str, Query(description="What had happened by then, ISO 8601.", examples=["2026-03-01"])
    ] = "",
    k: Annotated[
        str, Query(description="What was known by then, ISO 8601.", examples=["2026-03-02"])
    ] = "",
    after: Annotated[str, Query(description="`after` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS, description="Most rows.")] = 100,
) -> Any:
    """Read rows as of an instant in both times, in key order, page by page.

    Personal values are masked unless `Heptad-Purpose` states a purpose that opens them. Where
    that purpose rests on consent, rows of those who have not given it are left out. Whoever
    accepts `application/vnd.apache.arrow.stream` is answered with one, `money` and `after` in the
    metadata of its schema; as JSON at most 1,000 rows come.
    """
    arrow = ARROW in request.headers.get("accept", "")
    most = limit if arrow else min(limit, MOST_PLAIN)
    arguments = {"name": name, "t": t, "k": k, "after": after, "limit": most}
    found = run(platform, "tables.rows", arguments | reader.plain())
    if not arrow:
        return Rows(**found)
    more = {"money": json.dumps(found["money"]), "after": found["after"] or ""}
    table = pa.Table.from_pylist(found["rows"]).replace_schema_metadata(more)
    return Response(arrow_stream(table), media_type=ARROW)


@router.post(
    "/{name}/rows",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "One row a line, or an array of rows; at most 8 MiB and 10,000 rows.",
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}, "example": _EXAMPLE},
                "application/json": {"schema": {"type": "array"}},
            },
        }
    },
)
async def post_rows(name: str, request: Request, platform: Opened, who: Caller) -> Loaded:
    """Store rows, known from now on, and decide those that an application decides on.

    Rows go through the same checks as files; those that fail are set aside with their reason and
    the others are stored. What is answered as accepted is durable. Posting the same rows again
    stores nothing and answers the first decisions; a row that differs from what is stored is a
    correction, which opens none.
    """
    require_writer(who)
    platform.table(name)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-ndjson", "application/json"):
        raise WrongMedia("Rows come as NDJSON or JSON.", got=kind, do="say application/x-ndjson")
    found = await run_in_threadpool(_stored, platform, who, name, (await request.body(), kind))
    return Loaded(table=name, **found)


def _stored(platform: Any, who: Any, name: str, sent: tuple[bytes, str]) -> dict[str, Any]:
    """Store and decide rows; return what became of them, and the decisions the caller may see."""
    report, made = platform.accept(name, parse(*sent))
    seen = {a.name for a in platform.apps.values() if a.purpose in who.purposes}
    return {
        "accepted": len(report.accepted),
        "duplicates": len(report.duplicates),
        "quarantined": len(report.rejected),
        "rejected": [Rejected(**asdict(refused)) for refused in report.rejected],
        "version": report.version,
        "decisions": [
            Decided(**row(platform, entry)) for entry in made if entry.public["app"] in seen
        ],
    }


def parse(data: bytes, kind: str) -> list[dict[str, Any]]:
    """Read rows, their numbers as the text that stands there.

    Args:
        data: a list of objects or one object, or one object a line.
        kind: application/json or application/x-ndjson.

    Raises:
        InputError: if they are not JSON objects, or too many.
    """
    if sum(map(data.count, (b"{", b"[", b","))) > MOST_VALUES:
        raise InputError(
            f"At most {MOST_VALUES:,} values a request.", got=len(data), do="send several"
        )
    whole = kind == "application/json"
    lines = (line for line in io.BytesIO(data) if line.strip())
    parts = [data] if whole else list(islice(lines, MOST_ROWS + 1))
    _check_count(parts)
    found = [_parsed(part, n) for n, part in enumerate(parts, 1)]
    rows = found[0] if whole and isinstance(found[0], list) else found
    _check_count(rows)
    for n, given in enumerate(rows, 1):
        if not isinstance(given, dict):
            raise InputError("Each row is a JSON object.", got=given, do=_ONE, place=f"row {n}")
    return rows


def _check_count(rows: list[Any]) -> None:
    if len(rows) > MOST_ROWS:
        raise InputError(f"At most {MOST_ROWS:,} rows a request.", do="send several", place="body")


def _parsed(text: bytes, number: int) -> Any:
    """Read one JSON value."""
    try:
        return parse_json(text.removeprefix(codecs.BOM_UTF8).decode())
    except RecursionError as error:
        raise InputError(
            "The rows are nested too deeply.", do=_ONE, place=f"line {number}"
        ) from error
    except ValueError as error:
        raise InputError(
            "The rows are not JSON.", got=str(error), do=_ONE, place=f"line {number}"
        ) from error
