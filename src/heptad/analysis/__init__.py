# SPDX-License-Identifier: Apache-2.0
"""Pure algorithms: arrays in, arrays out."""
