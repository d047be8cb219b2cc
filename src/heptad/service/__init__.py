# SPDX-License-Identifier: Apache-2.0
"""Layer 5: as-of reads, features, models, decisions, applications."""
