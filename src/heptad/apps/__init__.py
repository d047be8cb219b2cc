# SPDX-License-Identifier: Apache-2.0
"""Layer 7: applications; one folder here, or one entry point in heptad.apps, is one application."""
