# SPDX-License-Identifier: Apache-2.0
"""SQL text as trees: expressions, maps and the functions they may use."""
