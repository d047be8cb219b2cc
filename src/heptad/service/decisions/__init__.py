# SPDX-License-Identifier: Apache-2.0
"""Decisions: taken in, decided, recorded, explained, asked again and compared."""
