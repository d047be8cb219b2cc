# SPDX-License-Identifier: Apache-2.0
"""Layer 7: the applications; each folder here, or entry point in `heptad.apps`, is one."""
