# SPDX-License-Identifier: Apache-2.0
"""Flows: decisions as data, stage by stage; published with four eyes, drawn, tested on history."""
