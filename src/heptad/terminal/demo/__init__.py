# SPDX-License-Identifier: Apache-2.0
"""The main job, shown: a simulated bank's day and real data through seven layers, and attacks."""

from heptad.terminal.demo.story import run_demo

__all__ = ["run_demo"]
