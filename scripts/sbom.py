# SPDX-License-Identifier: Apache-2.0
"""List what Heptad is made from as CycloneDX: `python scripts/sbom.py FILE`, and in every wheel.

The Python packages come from requirements.lock, with the digests of all their files; those that
the console is built from come from console/package-lock.json, with their licences.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
NAME = "heptad.cdx.json"
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")
DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def write(file: Path) -> None:
    """Write the list; equal sources give equal bytes."""
    file.write_text(JsonV1Dot6(listed()).output_as_string(indent=2) + "\n", encoding="utf-8")


def listed() -> Bom:
    """Return what the package needs and what lies in it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    heptad = _component("pypi", project["name"], project["version"], license_=project["license"])
    heptad.type = ComponentType.APPLICATION
    parts = sorted([*python_parts(), *console_parts()], key=lambda part: str(part.purl))
    # A name for these very parts, rather than one that is drawn.
    told = "\n".join([str(heptad.purl), *(str(part.purl) for part in parts)])
    bom = Bom(
        components=parts,
        metadata=BomMetaData(component=heptad),
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, told),
    )
    bom.metadata.timestamp = None
    bom.register_dependency(heptad, parts)
    return bom


def python_parts() -> Iterator[Component]:
    """Yield the locked Python packages."""
    for entry in re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text("utf-8")):
        if found := LOCKED.match(entry):
            digests = [
                HashType(alg=HashAlgorithm.SHA_256, content=d) for d in DIGEST.findall(entry)
            ]
            part = _component("pypi", found[1], found[2])
            part.external_references.add(
                ExternalReference(
                    type=ExternalReferenceType.DISTRIBUTION,
                    url=XsUri(str(part.purl)),
                    hashes=digests,
                )
            )
            yield part


def console_parts() -> Iterator[Component]:
    """Yield the packages that are built into the console."""
    locked: dict[str, Any] = json.loads((ROOT / "console/package-lock.json").read_text("utf-8"))
    for place, entry in locked["packages"].items():
        if place and not entry.get("dev") and not entry.get("devOptional"):
            name = place.rpartition("node_modules/")[2]
            part = _component("npm", name, entry["version"], license_=entry.get("license", ""))
            digest = base64.b64decode(entry["integrity"].removeprefix("sha512-")).hex()
            part.hashes.add(HashType(alg=HashAlgorithm.SHA_512, content=digest))
            yield part


def _component(kind: str, name: str, version: str, *, license_: str = "") -> Component:
    """Return one part; `name` may have a scope, `@scope/name`."""
    scope, _, rest = name.rpartition("/")
    purl = PackageURL(kind, scope or None, rest, version)
    return Component(
        name=rest,
        group=scope or None,
        version=version,
        purl=purl,
        bom_ref=str(purl),
        type=ComponentType.LIBRARY,
        scope=ComponentScope.REQUIRED,
        licenses=[LicenseFactory().make_from_string(license_)] if license_ else [],
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
