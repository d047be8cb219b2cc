# SPDX-License-Identifier: Apache-2.0
"""For those who test applications and engines: the conformance kit, a definition of features."""
