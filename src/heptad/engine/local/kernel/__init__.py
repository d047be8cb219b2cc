# SPDX-License-Identifier: Apache-2.0
"""The window kernel: compiled loops over events sorted per entity; it knows arrays, no features."""
