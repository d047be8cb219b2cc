# SPDX-License-Identifier: Apache-2.0
"""Expressions over columns in memory."""
