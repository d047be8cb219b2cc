# SPDX-License-Identifier: Apache-2.0
"""Spark as the batch engine: the same plans, its own dialect, our kernel in its workers."""
