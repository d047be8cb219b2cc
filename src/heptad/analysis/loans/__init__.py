# SPDX-License-Identifier: Apache-2.0
"""Loans while they run: what is due, what is late, what will be lost, and where the money went."""
