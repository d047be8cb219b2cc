# SPDX-License-Identifier: Apache-2.0
"""Run one job, in the Python of Flink's environment: `python runner.py job.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(place: str) -> None:
    """Run the statements of a job and wait until it has ended."""
    from pyflink.common import Configuration
    from pyflink.table import EnvironmentSettings, TableEnvironment

    job = json.loads(Path(place).read_text(encoding="utf-8"))
    settings = Configuration()
    for name, value in job["settings"].items():
        settings.set_string(name, value)
    made = EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(settings)
    tables = TableEnvironment.create(made.build())
    for text in job["tables"]:
        tables.execute_sql(text)
    statements = tables.create_statement_set()
    for text in job["inserts"]:
        statements.add_insert_sql(text)
    running = statements.execute()
    client = running.get_job_client()
    if client is not None:
        Path(job["started"]).write_text(str(client.get_job_id()), encoding="utf-8")
    running.wait()


if __name__ == "__main__":
    main(sys.argv[1])
