# SPDX-License-Identifier: Apache-2.0
"""Migrations of the catalog, run by alembic when a catalog is opened."""
