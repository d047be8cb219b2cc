# SPDX-License-Identifier: Apache-2.0
"""Layer 7: the command line and HTTP, which render what is declared."""
