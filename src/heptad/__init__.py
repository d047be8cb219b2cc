# SPDX-License-Identifier: Apache-2.0
"""Heptad: seven layers from data sources to decisions."""

__version__ = "0.1.0"
