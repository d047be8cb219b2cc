# SPDX-License-Identifier: Apache-2.0
"""Reads of a project as of two times: decided once, narrowed in the plan, recorded."""
