# SPDX-License-Identifier: Apache-2.0
"""Layer 2: check, standardise, deduplicate, quarantine."""
