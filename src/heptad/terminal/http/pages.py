# SPDX-License-Identifier: Apache-2.0
"""The route of declared pages: one read for all blocks of a page, answered as each is done."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from heptad.standards.errors import HeptadError
from heptad.terminal.commands import run
from heptad.terminal.commands.pages import ask_page, block_head, show_block
from heptad.terminal.http.access import At, Opened, Reads
from heptad.terminal.http.answers import PageData
from heptad.terminal.http.problems import RESPONSES, hidden

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from heptad.runtime import Platform
    from heptad.terminal.commands.pages import Asked

router = APIRouter(prefix="/v1", tags=["decisions"], responses=RESPONSES)
FRAMES, ARROW = "application/vnd.heptad.frames", "application/vnd.apache.arrow.stream"
MOST_PLAIN = 2_000
"""Rows that are sent as JSON; more travel as Arrow."""
TOGETHER_S = 0.1
"""Blocks that are read within this time are answered together, under one record."""


@router.get("/apps/{app}/pages/{path}", response_model=PageData)
def page(
    app: str,
    path: str,
    request: Request,
    platform: Opened,
    reader: Reads,
    about: Annotated[
        str, Query(description="Key of the one thing that a page is about.", examples=["L-17"])
    ] = "",
    t: At = "",
) -> Any:
    """Read what a declared page shows, for the application's purpose or a review.

    Whoever accepts `application/vnd.heptad.frames` is answered block by block as each is read. A
    frame is a line of JSON, the first one the page with its blocks yet unread, each further one
    `{block, data, problem, arrow}`; `arrow` names parts of `data` that follow the line as Arrow
    streams, with the bytes of each.
    """
    told = reader.of(platform, app)
    if FRAMES in request.headers.get("accept", ""):
        asked = ask_page(platform, app, path, about, t)
        return StreamingResponse(frames(platform, asked, told), media_type=FRAMES)
    arguments = {"name": app, "path": path, "about": about, "t": t}
    return PageData(**run(platform, "apps.page", arguments | told))


def frames(platform: Platform, asked: Asked, reader: Mapping[str, str]) -> Iterator[bytes]:
    """Yield a page as frames; nothing is sent before the record of its read is durable."""
    yield _line(asked.head() | {"blocks": [block_head(part) for part in asked.parts]})
    rest = deque(range(len(asked.parts)))
    while rest:
        yield b"".join(_together(platform, asked, reader, rest))


def _together(
    platform: Platform, asked: Asked, reader: Mapping[str, str], rest: deque[int]
) -> list[bytes]:
    """Read the blocks that come next, as many as are quickly read, and take them off the rest."""
    until, found = time.monotonic() + TOGETHER_S, list[bytes]()
    taken: list[int] = []
    try:
        with asked.reading(platform, **reader):
            while rest and (not taken or time.monotonic() < until):
                taken.append(rest.popleft())
                found.append(_framed(platform, asked, taken[-1]))
    except HeptadError as error:
        problem = error.to_dict()
        found = [frame(n, {"data": None, "problem": problem, "form": ""}) for n in taken]
        if not taken:
            found = [frame(n, {"data": None, "problem": problem, "form": ""}) for n in rest]
            rest.clear()
    return found


def _framed(platform: Platform, asked: Asked, number: int) -> bytes:
    """Read a block and return it as a frame; one that fails leaves the others alone."""
    try:
        return frame(number, show_block(platform, asked.parts[number], asked.at))
    except Exception as error:  # noqa: BLE001 - its cause goes to the log
        return frame(number, {"data": None, "problem": hidden(error).to_dict(), "form": ""})


def frame(number: int, block: Mapping[str, Any]) -> bytes:
    """Return one block as a frame."""
    data, columns = block["data"], _columns(block["form"], block["data"])
    streams = {name: arrow_stream(table) for name, table in columns.items()}
    if block["form"] == "map" and columns:
        data = {name: None if name in columns else value for name, value in data.items()}
    elif columns:
        data = []
    sizes = [[name, len(stream)] for name, stream in streams.items()]
    told = {"block": number, "data": data, "problem": block["problem"], "arrow": sizes}
    return _line(told) + b"".join(streams.values())


def _columns(form: str, data: Any) -> dict[str, pa.Table]:
    """Return the parts of a block that are too many to be sent as JSON."""
    if form == "table" and isinstance(data, list) and len(data) > MOST_PLAIN:
        return {"rows": pa.Table.from_pylist(data)}
    if form != "map" or not data:
        return {}
    parts = {name: data[name] for name in ("points", "arcs")}
    return {name: _table(part) for name, part in parts.items() if len(part["at"]) > MOST_PLAIN}


def _table(part: Mapping[str, list[Any]]) -> pa.Table:
    """Return columns of a map; instants as numbers that a browser holds exactly."""
    kinds = {"at": pa.float64(), "from": pa.list_(pa.float64(), 2), "to": pa.list_(pa.float64(), 2)}
    return pa.table({name: pa.array(values, kinds.get(name)) for name, values in part.items()})


def arrow_stream(table: pa.Table) -> bytes:
    """Return a table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _line(told: Mapping[str, Any]) -> bytes:
    return to_json(told, inf_nan_mode="null") + b"\n"
