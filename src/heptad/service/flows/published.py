# SPDX-License-Identifier: Apache-2.0
"""Which flow decides a row: the package's own, a published one by hash, or its challenger."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from heptad.standards.errors import HeptadError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from heptad.catalog.models import Models
    from heptad.service.app import Inputs, Outcome, Plain
    from heptad.service.features import Feature
    from heptad.service.flows.flows import Flow
    from heptad.standards import Table

FLOW, CHALLENGER, SHARE = "flow", "challenger", "challenger_share"
"""Policy values that name the published flow, its challenger, and the share of subjects whom the
challenger decides. They are recorded with each decision, so that a replay takes the same flow."""

_REGISTERS: WeakSet[Models] = WeakSet()


def attach(models: Models) -> None:
    """Let flows be found by hash among the models of an open project."""
    _REGISTERS.add(models)


def shelf(app: str) -> str:
    """Return the name under which the flows of an application stand among the models."""
    return f"{app}/flow"


class Flowing:
    """The flow of an application: what it is shipped with, and what was published instead.

    Args:
        path: of the YAML in the package.
        table: the table decided on.
        features: those that the application computes.
    """

    def __init__(self, path: Path, table: type[Table], features: Mapping[str, Feature]) -> None:
        from heptad.service.features import named

        self.path, self.table, self.features = path, table, named(features)
        self._known: dict[str, Flow] = {}

    @cached_property
    def own(self) -> Flow:
        """The flow that the package carries."""
        return self._parsed(self.path.read_text(encoding="utf-8"), self.path.name)

    def read(self, text: str, name: str) -> Flow:
        """Read a flow for this application; see `heptad.service.flows.files.read_flow`.

        Raises:
            InputError: if it leaves out terms of a product that the package's own flow holds.
        """
        from heptad.service.flows.eligible import refuse_without_terms

        found = self._parsed(text, name)
        refuse_without_terms(self.own, found, name)
        return found

    def _parsed(self, text: str, name: str) -> Flow:
        from heptad.service.flows.files import read_flow

        return read_flow(text, self.table, self.features, name=name)

    def subject(self, row: Mapping[str, Plain]) -> str:
        """Return the key of whom a row is about: by it a share is drawn, in shadow or not."""
        field = self.table.subject
        return str(row.get(field.name)) if field is not None else ""

    def decide(self, x: Inputs) -> Outcome:
        """Decide one row by the flow that its policy and its subject call for."""
        return self.chosen(x.policy, x.row)(x)

    def chosen(self, policy: Mapping[str, Plain], row: Mapping[str, Plain]) -> Flow:
        """Return the flow for a row.

        Raises:
            UnknownName: if the project does not hold the flow that a policy names.
        """
        wanted = policy.get(FLOW)
        rival = policy.get(CHALLENGER)
        if rival and in_share(str(rival), self.subject(row), policy.get(SHARE)):
            wanted = rival
        return self.own if not wanted else self.by_hash(str(wanted))

    def by_hash(self, sha256: str) -> Flow:
        """Return a flow by the hash of its bytes.

        Raises:
            UnknownName: if no open project holds it.
            Corrupt: if the bytes kept have another hash.
        """
        if sha256 == self.own.sha256:
            return self.own
        if sha256 not in self._known:
            text = _bytes_of(sha256).decode()
            self._known[sha256] = self._parsed(text, f"flow {sha256[:12]}")
        return self._known[sha256]

    def says(self, code: str, language: str) -> str | None:
        """Return the sentence of a code, of whichever of the flows has one."""
        for flow in (self.own, *self._known.values()):
            for stage in flow.stages:
                for rule in stage.rules.rules:
                    if rule.code == code and rule.says:
                        return rule.says.get(language) or rule.says.get("en")
        return None


def in_share(rival: str, subject: str, share: Any) -> bool:
    """Tell whether a subject falls to the challenger: always the same one for the same flow."""
    digest = hashlib.sha256(f"{rival}\0{subject}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < float(share or 0) * 2**64


def _bytes_of(sha256: str) -> bytes:
    failed: HeptadError = UnknownName(
        "No open project holds the flow that this policy names.",
        got=sha256,
        do="see `heptad flow list`",
    )
    for models in list(_REGISTERS):
        try:
            return models.bytes_of(sha256)
        except HeptadError as error:
            failed = error
    raise failed
