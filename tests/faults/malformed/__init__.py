# SPDX-License-Identifier: Apache-2.0
"""Malformed inputs by chapter: what each is, and what must become of it."""
