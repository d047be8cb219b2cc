# SPDX-License-Identifier: Apache-2.0
"""Builds the console into the wheel, or says why not, and lists what the wheel is made from."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent / "scripts"))
import sbom

import console


class ConsoleHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before a wheel is made; HEPTAD_CONSOLE says `skip` or `require`."""

    def dependencies(self) -> list[str]:
        """Ask for Node from the package index only where the machine has none."""
        return [] if self._skipped() or console.has_node() else [console.NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the console into the package."""
        if version == "standard":
            self._list_parts(build_data)
        if self._skipped():
            return
        try:
            self.app.display_info(console.build())
        except console.NotBuilt as error:
            if os.environ.get("HEPTAD_CONSOLE") == "require":
                raise
            self.app.display_warning(f"made without the console: {error}")

    def _list_parts(self, build_data: dict[str, Any]) -> None:
        """Put the list of all parts beside the package's metadata, as PEP 770 has it."""
        self._parts.parent.mkdir(parents=True, exist_ok=True)
        sbom.write(self._parts)
        build_data["sbom_files"].append(str(self._parts))

    @property
    def _parts(self) -> Path:
        return Path(self.directory) / sbom.NAME

    def finalize(self, *_: Any) -> None:
        """Leave the list in the wheel only."""
        self._parts.unlink(missing_ok=True)

    def _skipped(self) -> bool:
        absent = not (console.SOURCE / "package.json").is_file()
        return absent or os.environ.get("HEPTAD_CONSOLE") == "skip"
