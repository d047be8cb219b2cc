# SPDX-License-Identifier: Apache-2.0
"""Rows kept in Redis."""
