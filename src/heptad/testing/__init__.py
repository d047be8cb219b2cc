# SPDX-License-Identifier: Apache-2.0
"""The conformance kit: what every application must satisfy."""
