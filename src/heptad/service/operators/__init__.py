# SPDX-License-Identifier: Apache-2.0
"""Operators of features: what each takes and gives, and how its value is finished."""
