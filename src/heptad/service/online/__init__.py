# SPDX-License-Identifier: Apache-2.0
"""The online reading of features: values kept by key, how long they hold, and who may read them."""
