# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: tables, decisions, features, lineage and the log under /v1."""
