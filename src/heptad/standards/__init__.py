# SPDX-License-Identifier: Apache-2.0
"""The vocabulary that every layer shares: fields, tables, money, time, expressions, errors."""
