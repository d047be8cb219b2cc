# SPDX-License-Identifier: Apache-2.0
"""What is measured: `python -m benchmarks AREA [ROW …] [--quick] [--seed S] [--require-data]`."""
