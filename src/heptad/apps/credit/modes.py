# SPDX-License-Identifier: Apache-2.0
"""The four ways of financing: four bindings of the one flow, a TOML file each beside this module."""

from __future__ import annotations

from pathlib import Path

from heptad.service.modes import read_modes

modes = read_modes(Path(__file__).with_name("modes"))
"""A bank with a platform, the bank's own platform, an independent lender, a platform's own data."""
