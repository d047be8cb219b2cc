# SPDX-License-Identifier: Apache-2.0
"""Flink as a stream engine: its own environment, a small cluster, jobs over files."""
