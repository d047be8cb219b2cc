# SPDX-License-Identifier: Apache-2.0
"""Schedules: when jobs are due by business calendars, and each slot done once."""
