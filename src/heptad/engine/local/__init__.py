# SPDX-License-Identifier: Apache-2.0
"""The embedded engine: Delta files, DuckDB, RocksDB and segment logs on one machine."""
