# SPDX-License-Identifier: Apache-2.0
"""The stream reading of features: exact windows in memory, kept current while a project runs."""
