# SPDX-License-Identifier: Apache-2.0
"""Keys, sealing, purposes and the tamper-evident ledger."""
