# SPDX-License-Identifier: Apache-2.0
"""Rules: read from YAML, decided for a row or a batch; lists and eligibility beside them."""
