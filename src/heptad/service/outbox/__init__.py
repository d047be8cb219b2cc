# SPDX-License-Identifier: Apache-2.0
"""The outbox: messages planned with their decision and sent once, if they may be."""
