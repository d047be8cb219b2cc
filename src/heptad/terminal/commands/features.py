# SPDX-License-Identifier: Apache-2.0
"""Commands about features: what is declared, and its value for a key."""

from __future__ import annotations

from csv import reader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heptad.service.decisions.explaining import shown
from heptad.service.features import result_of, unit_of
from heptad.service.operators.definitions import versions
from heptad.standards.errors import InputError, UnknownName, suggest
from heptad.standards.time import format_instant, parse_instant
from heptad.terminal.commands.engines import recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from heptad.runtime import Platform
    from heptad.service.app import App
    from heptad.service.features import Feature


def list_features(platform: Platform, app: str = "") -> dict[str, Any]:
    """List the features of all applications, or of one."""
    apps = [platform.app(app)] if app else list(platform.apps.values())
    held = {a.name: versions(platform.catalog, a.name) for a in apps}
    return {
        "features": [
            {
                "name": f"{a.name}.{name}",
                "by": feature.entity,
                "what": feature.sentence(),
                "unit": unit_of(feature),
                "version": feature.version(),
                "since": format_instant(held[a.name][name][-1].since),
                "versions": len(held[a.name][name]),
            }
            for a in apps
            for name, feature in a.features.items()
        ]
    }


def show_feature(platform: Platform, name: str) -> dict[str, Any]:
    """Show one feature: its definition, its unit and who reads it."""
    (feature,) = platform.features([name])
    app = platform.app(name.partition(".")[0])
    return {
        "name": name,
        "what": feature.sentence(),
        "unit": unit_of(feature),
        "entity": feature.entity,
        "version": feature.version(),
        "definition": feature.definition(),
        "model": bool(app.model and feature.name in app.model.inputs),
        "versions": [
            {"version": v.version or "gone", "since": format_instant(v.since), "what": v.sentence}
            for v in versions(platform.catalog, app.name).get(str(feature.name), [])
        ],
        "online": _kept(platform, feature),
    }


def _kept(platform: Platform, feature: Feature) -> str:
    """Say whether values of the definition that holds now are kept online."""
    if platform.served.marks(feature) is None:
        return "never filled"
    return "behind" if platform.served.is_behind(feature) else "current"


def history(  # noqa: PLR0913, PLR0917 - what a history is
    platform: Platform,
    spine: str,
    features: Sequence[str],
    to: str,
    engine: str = "local",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Compute features for the rows of a file, into another.

    Args:
        platform: the open project.
        spine: CSV with a header, or Parquet; columns named after entities or key columns,
            event_time, and known_time if it is another.
        features: `app.feature`, or an application for all of its own.
        to: the file written, CSV or Parquet by its ending; it must not be there.
        engine: local or spark.
        purpose: why.
        role: in which role; the platform's own by default.
        who: who asks; the platform's own by default.

    Raises:
        InputError: if the spine cannot be read, or the answer cannot be written.
    """
    from heptad.terminal.commands.online import chosen

    wanted = chosen(platform, features)
    if Path(to).exists():
        raise InputError(
            "The file to be written is there.", got=to, do="name another, or remove it"
        )
    lists = [feature.name for feature in wanted if result_of(feature) == "list"]
    if lists and Path(to).suffix != ".parquet":
        raise InputError(
            "CSV cannot hold lists.", got=", ".join(lists), do="write to .parquet, which takes them"
        )
    rows, apps = _spine(Path(spine)), dict.fromkeys(n.partition(".")[0] for n in features)
    with recorded(platform, engine, f"features of {', '.join(apps)}") as told:
        found = platform.history(
            rows, wanted, engine=engine, purpose=purpose or None, role=role, who=who
        )
        _write(found, Path(to))
        told |= {"rows": len(found), "features": len(wanted)}
    return {"rows": len(found), "features": [f.name for f in wanted], "written": to}


def _spine(path: Path) -> pa.Table:
    """Read the rows that are asked about: keys as text, instants as ISO 8601; microseconds in Parquet."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if path.suffix == ".parquet":
            table = parquet.read_table(path)
        else:
            with path.open(encoding="utf-8-sig", newline="") as file:
                texts = dict.fromkeys(next(reader(file), []), pa.string())
            table = csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=texts))
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(
            "The rows to be asked about cannot be read.",
            got=f"{path}: {error}",
            do="give CSV with a header, or Parquet",
        ) from error
    for name in {"event_time", "known_time"} & set(table.column_names):
        if pa.types.is_string(table.schema.field(name).type):
            at = table.schema.get_field_index(name)
            instants = [None if v is None else parse_instant(v) for v in table[name].to_pylist()]
            table = table.set_column(at, name, pa.array(instants, pa.int64()))
    return table


def _write(table: pa.Table, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import csv, parquet

    for name in {"event_time", "known_time"} & set(table.column_names):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].cast(pa.timestamp("us", "UTC")))
    try:
        if path.suffix == ".parquet":
            parquet.write_table(table, path)
        else:
            csv.write_csv(table, path)
    except (OSError, pa.ArrowException) as error:
        path.unlink(missing_ok=True)
        raise InputError(
            "The answer cannot be written.",
            got=f"{path}: {error}",
            do="write where there is room and you may",
        ) from error


def reference(platform: Platform, app: str = "") -> dict[str, Any]:
    """Return the reference page of features, made from their declarations, as Markdown."""
    apps = [platform.app(app)] if app else list(platform.apps.values())
    return {"markdown": "\n".join(_page(platform, one) for one in apps)}


def _page(platform: Platform, app: App) -> str:
    """Return the section of one application."""
    held = versions(platform.catalog, app.name)
    rows = "\n".join(
        f"| `{name}` | {f.entity} | {_cell(f.sentence())} | {_cell(unit_of(f))} | `{f.version()}` | "
        f"{format_instant(held[name][-1].since)} |"
        for name, f in app.features.items()
    )
    return f"""# Features of {app.title}

Made from the declarations of `{app.name}` by `heptad features page --app {app.name}`.

| feature | by | what it answers | unit | version | since |
|---|---|---|---|---|---|
{rows}
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def read_features(  # noqa: PLR0913, PLR0917 - what a read is
    platform: Platform,
    app: str,
    key: str,
    t: str = "",
    k: str = "",
    entity: str = "",
    purpose: str = "",
    role: str = "",
    who: str = "",
) -> dict[str, Any]:
    """Read the features of one key as of an instant, now by default."""
    import pyarrow as pa

    chosen = platform.app(app)
    wanted = entity or chosen.on.subject_type()
    features = [f for f in chosen.features.values() if f.entity == wanted]
    if not features:
        entities = {f.entity for f in chosen.features.values()}
        raise UnknownName(
            f"{app} has no features of a {wanted}.", got=wanted, do=suggest(wanted, entities)
        )
    at = parse_instant(t) if t else platform.clock.now()
    known = parse_instant(k) if k else at
    spine = pa.table({wanted: [key], "event_time": [at], "known_time": [known]})
    found = platform.history(spine, features, purpose=purpose or None, role=role, who=who)
    (values,) = found.to_pylist()
    return {
        "entity": wanted,
        "key": key,
        "features": [
            {
                "name": f.name,
                "value": values[f.name],
                "unit": unit_of(f),
                "shown": shown(values[f.name], unit_of(f)),
                "what": f.sentence(),
            }
            for f in features
        ],
    }
