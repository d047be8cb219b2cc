# SPDX-License-Identifier: Apache-2.0
"""Layer 1: where data comes from."""
