# SPDX-License-Identifier: Apache-2.0
"""What all tests share: hypothesis with fixed seeds, and no clock on a machine that is shared."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("heptad", deadline=None, derandomize=True)
settings.load_profile("heptad")
