# SPDX-License-Identifier: Apache-2.0
"""HBase: rows kept there, and our own row store answered in its Thrift protocol."""
