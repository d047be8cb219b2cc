# SPDX-License-Identifier: Apache-2.0
"""Tests of the export to the Open Data Contract Standard."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from heptad.engine.local.arrow import delta_schema
from heptad.standards import Code, Day, Flag, Instant, Integer, Money, Number, Place, Ref, Table
from heptad.standards.codes import STANDARDS
from heptad.standards.fields import Text
from heptad.standards.model import MODEL
from heptad.standards.odcs import odcs

GOLDEN = Path(__file__).parent / "golden"
CHECKER = "datacontract-cli==1.2.8"


class Parcel(Table, state=True):
    """One parcel that declares every clause there is.

    This paragraph is for developers only.
    """

    id = Text("Number of the parcel", key=True, max_length=20)
    event_time = Instant("Since when it stands so, UTC")
    sender = Ref("Parcel", "The parcel it came in", optional=True)
    owner = Ref(MODEL["Customer"], "Whose it is", subject=True)
    note = Text("What the owner wrote", personal=True, max_length=50, purposes={"service"})
    card = Text("Card it was paid with", personal=True, pan=True, optional=True)
    born = Day("Birthday of the owner", personal=True)
    floor = Integer("Floor of the owner's flat", personal=True, ge=-3, le=100)
    home = Place("Where the owner lives", personal=True, purposes={"service", "legal"})
    depot = Place("Where it lies")
    weight = Number("Weight", scale=3, ge=0, le=30, unit="kg")
    pieces = Integer("Pieces in it", ge=1, le=9, unit="piece")
    value = Money("Value stated", currency="currency", ge=1, le=500, optional=True)
    price = Money("Postage", currency="currency", ge=0)
    currency = Code("Currency of the amounts", standard="ISO 4217")
    size = Code("Size", standard={"s", "m"})
    fragile = Flag("Whether it breaks", optional=True)


TABLES = [*MODEL.values(), Parcel]


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.__name__)
def test_a_document_tells_the_whole_declaration(table: type[Table]) -> None:
    assert declared_by(yaml.safe_load(yaml.safe_dump(odcs(table)))) == table.contract()


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.__name__)
def test_a_document_names_the_columns_and_types_that_are_stored(table: type[Table]) -> None:
    stored = [(f.name, f.type.type) for f in delta_schema(table.columns()).fields]
    told = [(p["name"], p["physicalType"]) for p in odcs(table)["schema"][0]["properties"]]
    assert told == stored


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.__name__)
def test_a_reference_names_a_column_that_exists(table: type[Table]) -> None:
    known = {f"{t.__name__}.{t.key.name}" for t in TABLES}
    for column in odcs(table)["schema"][0]["properties"]:
        assert {r["to"] for r in column.get("relationships", ())} <= known


def test_the_document_of_a_payment_is_the_golden_one() -> None:
    """Long code lists of a standard are named in the golden file instead of written out."""
    document = odcs(MODEL["Payment"])
    for column in document["schema"][0]["properties"]:
        for rule in column.get("quality", ()):
            values = rule["arguments"]["validValues"]
            named = (name for name, codes in STANDARDS.items() if sorted(codes) == values)
            rule["arguments"]["validValues"] = next(named, values)
    golden = (GOLDEN / "Payment.odcs.yaml").read_text(encoding="utf-8")
    assert document == yaml.safe_load(golden)


def test_bounds_are_in_the_stored_unit() -> None:
    columns = {p["name"]: p for p in odcs(Parcel)["schema"][0]["properties"]}
    assert columns["weight"]["logicalTypeOptions"] == {
        "format": "i64",
        "minimum": 0,
        "maximum": 30_000,
    }
    assert columns["depot_lat"]["logicalTypeOptions"]["maximum"] == 900_000_000
    assert columns["depot_lon"]["logicalTypeOptions"]["minimum"] == -1_800_000_000


def test_a_bound_that_depends_on_the_currency_is_said_in_words() -> None:
    columns = {p["name"]: p for p in odcs(Parcel)["schema"][0]["properties"]}
    assert columns["price"]["logicalTypeOptions"] == {"format": "i64", "minimum": 0}
    assert columns["value"]["logicalTypeOptions"] == {"format": "i64"}
    assert [rule["description"] for rule in columns["value"]["quality"]] == [
        "At least 1, in whole units of the currency in currency.",
        "At most 500, in whole units of the currency in currency.",
    ]


def test_every_personal_column_is_classified_and_no_other() -> None:
    for table in TABLES:
        personal = {c.name for f in table.fields.values() if f.personal for c in f.columns()}
        told = {p["name"] for p in odcs(table)["schema"][0]["properties"] if "classification" in p}
        assert told == personal


def test_another_declaration_is_another_version() -> None:
    versions = {odcs(table)["version"] for table in TABLES}
    assert len(versions) == len(TABLES)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_standards_own_checker_accepts_every_document(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The checker needs versions that conflict with ours, so it gets an environment of its own."""
    folder = tmp_path_factory.mktemp("odcs")
    python = environment(folder / "venv")
    files = []
    for table in TABLES:
        files.append(folder / f"{table.__name__}.yaml")
        text = yaml.safe_dump(odcs(table), sort_keys=False, allow_unicode=True)
        files[-1].write_text(text, encoding="utf-8")
    broken = folder / "broken.yaml"
    broken.write_text(yaml.safe_dump(odcs(Parcel) | {"status": 7}), encoding="utf-8")

    assert lint(python, files[0]).returncode == 0
    assert lint(python, broken).returncode != 0
    done = subprocess.run(
        [python, "-c", LINT_ALL, *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["passed"] * len(files), done.stdout + done.stderr


LINT_ALL = """
import sys
from datacontract.data_contract import DataContract
for path in sys.argv[1:]:
    print(DataContract(data_contract_file=path).lint().result.value)
"""


def lint(python: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """Check one document with the command that its users type."""
    command = [python.with_name("datacontract"), "lint", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def environment(folder: Path) -> Path:
    """Make an environment that holds the checker; skip, saying why, where that is impossible."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", CHECKER]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
        pytest.skip(f"NOT CHECKED: {CHECKER} cannot be installed here: {reason}")
    return python


def declared_by(document: dict[str, Any]) -> dict[str, Any]:
    """Rebuild what `Table.contract()` says from the document alone."""
    (body,) = document["schema"]
    properties = {p["name"]: p for p in body["properties"]}
    fields: dict[str, Any] = {}
    for p in body["properties"]:
        custom = of(p)
        if not custom.get("system"):
            fields.setdefault(custom.get("place", p["name"]), field_of(p, custom))
    subject = of(document).get("subject")
    assert subject is None or of(properties[subject])["subject"]
    return {
        "table": body["name"],
        "doc": body["description"],
        "state": of(document)["state"],
        "fields": fields,
    }


def of(part: dict[str, Any]) -> dict[str, Any]:
    """Return the custom properties of a part as a dictionary."""
    return {c["property"]: c["value"] for c in part["customProperties"]}


def field_of(p: dict[str, Any], custom: dict[str, Any]) -> dict[str, Any]:
    """Rebuild the contract of one field from one of its columns."""
    kind, options = custom["type"], p.get("logicalTypeOptions", {})
    found: dict[str, Any] = {"type": kind, "doc": p["description"]}
    found |= {"key": True} if p.get("primaryKey") else {}
    found |= {} if p["required"] else {"optional": True}
    found |= {"personal": True} if p.get("classification") == "personal" else {}
    found |= {c: custom[c] for c in ("subject", "pan", "purposes", "scale") if c in custom}
    found |= {"ge": custom["ge"]} if "ge" in custom else {}
    found |= {"le": custom["le"]} if "le" in custom else {}
    if kind in ("Integer", "Number"):
        found |= {"unit": custom["unit"]} if custom.get("unit") else {}
        for name, option in (("ge", "minimum"), ("le", "maximum")):
            if option in options:
                found[name] = options[option] // 10 ** custom.get("scale", 0)
    if kind == "Money":
        found |= {"currency": custom["currency"], **money_bounds(p, options)}
    if kind == "Place":
        found.pop("scale", None)
    if kind == "Text":
        found["max_length"] = options.get("maxLength", custom.get("maxLength"))
    if kind == "Code":
        values = p["quality"][0]["arguments"]["validValues"]
        found["standard"] = custom.get("standard", values)
        assert values == sorted(STANDARDS.get(custom.get("standard", ""), values))
    if kind == "Ref":
        found["table"] = p["relationships"][0]["to"].split(".")[0]
    return found


def money_bounds(p: dict[str, Any], options: dict[str, Any]) -> dict[str, int]:
    """Read bounds of an amount from the options and from the sentences."""
    found = {"ge": options["minimum"]} if "minimum" in options else {}
    for rule in p.get("quality", ()):
        words = rule["description"].split(",")[0].split()
        found[{"least": "ge", "most": "le"}[words[1]]] = int(words[2])
    return found
