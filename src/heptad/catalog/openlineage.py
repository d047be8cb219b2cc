# SPDX-License-Identifier: Apache-2.0
"""Loads and runs as OpenLineage events, for whoever collects lineage elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from heptad import __version__
from heptad.standards.time import format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from heptad.catalog.catalog import Catalog
    from heptad.catalog.lineage import Edge
    from heptad.catalog.loads import Load
    from heptad.catalog.runs import Run
    from heptad.catalog.versions import Version

PRODUCER = f"https://pypi.org/project/heptad/{__version__}"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets/"
_EVENTS = {
    "started": "RUNNING",
    "staged": "RUNNING",
    "running": "RUNNING",
    "committed": "COMPLETE",
    "finished": "COMPLETE",
    "refused": "ABORT",
    "failed": "FAIL",
}


def load_event(catalog: Catalog, load: int) -> dict[str, Any]:
    """Return a load as an event: its files in, its table version out, columns with lineage.

    Raises:
        UnknownName: if there is no such load.
    """
    found = catalog.loads.get(load)
    space = _namespace(catalog)
    files = catalog.loads.files(load)
    statistics = _facet(
        "1-0-0/InputStatisticsInputDatasetFacet",
        rowCount=found.counts.read,
        fileCount=len(files),
        size=sum(file.size for file in files),
    )
    source = {
        "namespace": space,
        "name": found.source,
        "facets": {},
        "inputFacets": {"inputStatistics": statistics},
    }
    event = _event(catalog, found, f"load:{load}", f"load {found.source} into {found.table}")
    event["inputs"] = [source]
    version = catalog.versions.of_load(load)
    if version is not None:
        edges = catalog.lineage.into(found.table, at=found.ended)
        event["outputs"] = [_table(catalog, version, edges, rows=found.counts.accepted)]
    return event


def run_event(catalog: Catalog, run: int) -> dict[str, Any]:
    """Return a run of a job as an event: the table versions that it read and wrote.

    Raises:
        UnknownName: if there is no such run.
    """
    found = catalog.runs.get(run)
    event = _event(catalog, found, f"run:{run}", found.job)
    for side, tables in (("inputs", found.inputs), ("outputs", found.outputs)):
        event[side] = [
            _table(catalog, catalog.versions.get(table, version), ())
            for table, version in sorted(tables.items())
        ]
    return event


def _event(catalog: Catalog, found: Load | Run, name: str, job: str) -> dict[str, Any]:
    """Return what every event says."""
    space = _namespace(catalog)
    facets: dict[str, Any] = {}
    if found.ended is not None:
        times = {
            "nominalStartTime": format_instant(found.started),
            "nominalEndTime": format_instant(found.ended),
        }
        facets["nominalTime"] = _facet("1-0-1/NominalTimeRunFacet", **times)
    if found.error is not None:
        says = str(found.error.get("detail", ""))
        facets["errorMessage"] = _facet(
            "1-0-1/ErrorMessageRunFacet", message=says, programmingLanguage="PYTHON"
        )
    return {
        "eventType": _EVENTS[found.status],
        "eventTime": format_instant(found.started if found.ended is None else found.ended),
        "run": {"runId": str(uuid5(NAMESPACE_URL, f"{space}/{name}")), "facets": facets},
        "job": {"namespace": space, "name": job, "facets": {}},
        "inputs": [],
        "outputs": [],
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
    }


def _table(
    catalog: Catalog, version: Version, edges: Iterable[Edge], rows: int | None = None
) -> dict[str, Any]:
    """Return a table version as a dataset; with `rows` written, as one that was made."""
    name = version.table
    number = str(version.version)
    facets = {"version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=number)}
    contract = catalog.versions.contract(name, version.contract)
    if contract is not None:
        fields = [
            {"name": field, "type": clauses["type"], "description": clauses["doc"]}
            for field, clauses in contract.contract["fields"].items()
        ]
        facets["schema"] = _facet("1-1-1/SchemaDatasetFacet", fields=fields)
    space = _namespace(catalog)
    columns: dict[str, dict[str, Any]] = {}
    for edge in edges:
        origin = {"namespace": space, "name": edge.origin.name, "field": edge.origin.column}
        how = {"type": "DIRECT", "subtype": "TRANSFORMATION", "description": edge.how}
        made = columns.setdefault(edge.target.column, {"inputFields": []})
        made["inputFields"].append(origin | {"transformations": [how]})
    if columns:
        facets["columnLineage"] = _facet("1-2-0/ColumnLineageDatasetFacet", fields=columns)
    dataset: dict[str, Any] = {"namespace": space, "name": name, "facets": facets}
    if rows is not None:
        made = _facet("1-0-2/OutputStatisticsOutputDatasetFacet", rowCount=rows)
        dataset["outputFacets"] = {"outputStatistics": made}
    return dataset


def _facet(schema: str, **values: Any) -> dict[str, Any]:
    """Return a facet: who says so, by which schema, and what."""
    name = schema.partition("/")[2]
    url = f"{_FACETS}{schema}.json#/$defs/{name}"
    return {"_producer": PRODUCER, "_schemaURL": url, **values}


def _namespace(catalog: Catalog) -> str:
    """Return the namespace of a project's jobs and tables."""
    return f"heptad://{catalog.settings.project}"
