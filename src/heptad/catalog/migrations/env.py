# SPDX-License-Identifier: Apache-2.0
"""How alembic runs the catalog's migrations: on the connection, and in the transaction, it is given."""

from __future__ import annotations

from alembic import context

from heptad.catalog.schema import Row

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
