# SPDX-License-Identifier: Apache-2.0
"""Layer 4: tables and versions, loads, lineage, quality, models, runs."""
