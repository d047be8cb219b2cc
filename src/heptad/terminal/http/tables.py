# SPDX-License-Identifier: Apache-2.0
"""Routes about tables: what they declare and hold, and rows posted to them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from heptad.standards.errors import HeptadError, InputError
from heptad.terminal.commands import run
from heptad.terminal.commands.decisions import row
from heptad.terminal.http.access import Caller, Opened, Purpose
from heptad.terminal.http.problems import RESPONSES
from heptad.terminal.http.schemas import Anything, Decided, Loaded

router = APIRouter(prefix="/v1/tables", tags=["tables"], responses=RESPONSES)
LARGEST_BODY = 8 << 20
MOST_ROWS = 10_000


class TooLarge(HeptadError):
    """A body is larger than is taken at once."""

    code, status, exit = "too-large", 413, 3


class WrongMedia(HeptadError):
    """A body is of a kind that is not read."""

    code, status, exit = "media", 415, 3


@router.get("")
def tables(platform: Opened, _: Caller) -> Anything:
    """List the tables with their rows and versions."""
    return Anything(**run(platform, "tables.list", {}))


@router.get("/{name}")
def table(name: str, platform: Opened, _: Caller) -> Anything:
    """Show a table: its fields with units, its versions, its quality."""
    return Anything(**run(platform, "tables.show", {"name": name}))


@router.get("/{name}/contract")
def contract(name: str, platform: Opened, _: Caller) -> Anything:
    """Return the contract of a table as ODCS v3, in YAML under `odcs`."""
    return Anything(**run(platform, "tables.export", {"table": name}))


@router.get("/{name}/rows")
def rows(
    name: str,
    platform: Opened,
    purpose: Purpose,
    t: Annotated[str, Query(description="What had happened by then, ISO 8601.")] = "",
    k: Annotated[str, Query(description="What was known by then, ISO 8601.")] = "",
    after: Annotated[str, Query(description="Key after which to go on.")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Anything:
    """Read rows as of an instant in both times, in key order; personal values as permitted."""
    arguments = {"name": name, "t": t, "k": k, "after": after, "limit": limit, "purpose": purpose}
    return Anything(**run(platform, "tables.rows", arguments))


@router.post(
    "/{name}/rows",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {
                    "schema": {"type": "string"},
                    "example": '{"id": "p17", "customer": "c42", "amount": "12.50", "currency": "EUR"}\n',
                },
                "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
            },
        }
    },
)
async def post_rows(name: str, request: Request, platform: Opened, _: Caller) -> Loaded:
    """Store rows, known from now on, and decide those that an application decides on.

    Rows go through the same checks as files; those that fail are set aside with their reason and
    the others are stored. What is answered as accepted is durable. Posting the same rows again
    stores nothing and answers the first decisions.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind not in ("application/x-ndjson", "application/json"):
        raise WrongMedia("Rows come as NDJSON or JSON.", got=kind, do="say application/x-ndjson")
    parsed = parse(await body_of(request), kind)
    report, made = await run_in_threadpool(platform.accept, name, parsed)
    return Loaded(
        table=name,
        accepted=len(report.accepted),
        duplicates=len(report.duplicates),
        quarantined=len(report.rejected),
        rejected=[asdict(refused) for refused in report.rejected],
        version=report.version,
        decisions=[Decided(**row(platform, entry)) for entry in made],
    )


async def body_of(request: Request) -> bytes:
    """Read a body, no more than is allowed.

    Raises:
        TooLarge: if it is larger.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > LARGEST_BODY:
            raise TooLarge("A body has at most 8 MiB.", do="send the rows in several requests")
    return bytes(data)


def parse(data: bytes, kind: str) -> list[dict[str, Any]]:
    """Read rows.

    Raises:
        InputError: if they are not JSON objects, or too many.
    """
    import msgspec

    try:
        if kind == "application/json":
            found = msgspec.json.decode(data)
            found = found if isinstance(found, list) else [found]
        else:
            found = [msgspec.json.decode(line) for line in data.splitlines() if line.strip()]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(
            "The rows are not JSON.", got=str(error), do="send one object a line"
        ) from error
    if len(found) > MOST_ROWS:
        raise InputError(
            f"At most {MOST_ROWS:,} rows a request.", got=len(found), do="send several"
        )
    for n, given in enumerate(found, 1):
        if not isinstance(given, dict):
            raise InputError(
                "Each row is a JSON object.", got=type(given).__name__, place=f"row {n}"
            )
    return found
