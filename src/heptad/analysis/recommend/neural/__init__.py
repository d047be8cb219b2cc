# SPDX-License-Identifier: Apache-2.0
"""Neural models of rating and click; needs `pip install 'heptad[deep]'`, import it inside functions."""
