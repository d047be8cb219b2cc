# SPDX-License-Identifier: Apache-2.0
"""Requests made from the server's own OpenAPI document, by the thousand, and what is asked of each.

    python -m tests.terminal.fuzzing COUNT [SEED]

Schemathesis draws requests that keep to the document and requests that break it; what of them is a
name of something that exists is put in for half of them. Over a real connection to a real server
each must get an answer that the document promises for that route: its status, its media type, its
body. No answer may be a 5xx but 503, or show the inside of the program. What came of them is told
as JSON; it exits 1 if anything was wrong.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from schemathesis import GenerationMode, checks

from heptad.security.purposes import PURPOSES
from heptad.standards.model import Customer, Payment
from heptad.terminal.demo.bank import served
from heptad.testing.scratch import project
from tests.terminal.rows import customer, payment

if TYPE_CHECKING:
    from schemathesis import APIOperation, Case

    from heptad.runtime import Platform

INSIDE = re.compile(
    r"Traceback|File \"|\.py\b|line \d+, in |/site-packages/|sqlalchemy|sqlite3|duckdb\.|0x[0-9a-f]{8,}"
)
"""What an answer would show of the program's inside."""
CHECKED = (
    checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
    checks.response_schema_conformance,
)  # fmt: skip
LIMIT_S = 120


class Fuzzer:
    """Sends drawn requests to a server and notes what is wrong with the answers.

    Attributes:
        became: status → how many answers had it.
        wrong: what was wrong, once for each route and fault.
        sent: how many requests were sent.
    """

    def __init__(self, platform: Platform, url: str, seed: int) -> None:
        self.became, self.wrong, self.sent = Counter[str](), dict[str, str](), 0
        self._url, self._drawn, self._seed = url, random.Random(seed), seed
        self._session = requests.Session()
        decision = next(iter(platform.log.entries())).public["id"]
        self._names: dict[str, list[Any]] = {
            "name": ["Customer", "Payment"], "app": ["fraud", "credit"], "key": ["c1", "p1"],
            "decision": [decision], "number": [1], "subject": ["Customer:c1"], "path": ["held"],
            "node": ["fraud", "Payment"],
        }  # fmt: skip

    def run(self, count: int) -> None:
        """Send so many requests, spread evenly over the operations of the document, or some of them."""
        schema = schemathesis.openapi.from_url(f"{self._url}/openapi.json", timeout=LIMIT_S)
        operations = [found.ok() for found in schema.get_all_operations()]
        if count < 2 * len(operations):  # to draw the first of an operation takes longest
            operations = self._drawn.sample(operations, -(-count // 2))
        each = -(-count // (2 * len(operations)))
        while self.sent < count:  # fewer are drawn than asked for: some operations have few
            for operation in operations:
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    self._operation(operation, mode, each)
            self._seed += 1_000

    def _operation(self, operation: APIOperation, mode: GenerationMode, count: int) -> None:
        @hypothesis.seed(self._seed)
        @hypothesis.settings(
            max_examples=count, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck), verbosity=hypothesis.Verbosity.quiet,
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Case) -> None:
            self._send(case)

        # Of some operations nothing can be broken.
        with suppress(hypothesis.errors.Unsatisfiable, hypothesis.errors.InvalidArgument):
            send()

    def _send(self, case: Case) -> None:
        for name in case.path_parameters or {}:
            if name in self._names and self._drawn.random() < 0.5:
                case.path_parameters[name] = self._drawn.choice(self._names[name])
        if self._drawn.random() < 0.7:
            case.headers["Heptad-Purpose"] = self._drawn.choice(sorted(PURPOSES))
        if self._drawn.random() < 0.9:
            case.headers.pop("Authorization", None)  # a caller on this machine needs none
        where = f"{case.method.upper()} {case.operation.path}"
        self.sent += 1
        try:
            answer = case.call(session=self._session, timeout=LIMIT_S)
        except (requests.RequestException, UnicodeError) as error:
            if not isinstance(error, UnicodeError | requests.exceptions.InvalidHeader):
                self._note(where, f"no answer: {type(error).__name__}", case)
            return
        self.became[str(answer.status_code)] += 1
        if answer.status_code >= 400 and INSIDE.search(answer.text):
            self._note(where, f"shows its inside: {answer.text[:300]}", case)
        for check in CHECKED:
            if check is checks.not_a_server_error and answer.status_code == 503:
                continue
            try:
                case.validate_response(answer, checks=[check])
            except (AssertionError, checks.CheckFailed) as error:
                said = f"{answer.status_code} fails {check.__name__}: {str(error)[:600]}"
                self._note(where, said, case)

    def _note(self, where: str, what: str, case: Case) -> None:
        self.wrong.setdefault(f"{where}: {what[:60]}", f"{what}\n{case.as_curl_command()[:600]}")


def main(count: int, seed: int) -> int:
    """Run, and tell what came of it; 1 if anything was wrong."""
    begun, cpu = time.monotonic(), time.process_time()
    rows = {
        Customer: [customer(n) for n in (1, 2, 3)],
        Payment: [payment(n, customer=f"c{n % 3 + 1}") for n in range(6)],
    }
    with project(rows) as platform:
        platform.decide("fraud")
        with served(platform) as client:
            fuzzer = Fuzzer(platform, str(client.base_url).rstrip("/"), seed)
            fuzzer.run(count)
    told = {
        "sent": fuzzer.sent,
        "became": dict(sorted(fuzzer.became.items())),
        "wrong": fuzzer.wrong,
        "wall_s": round(time.monotonic() - begun, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
    }
    print(json.dumps(told, indent=1))
    return int(bool(fuzzer.wrong))


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 7))
