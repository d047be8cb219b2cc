# SPDX-License-Identifier: Apache-2.0
"""Layer 3: storage and computation."""
