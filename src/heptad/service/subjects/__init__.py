# SPDX-License-Identifier: Apache-2.0
"""Persons: what is held of them, their report, their erasure, and the regimes that say how long."""
