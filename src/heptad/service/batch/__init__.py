# SPDX-License-Identifier: Apache-2.0
"""The batch reading of features: spines, plans, the range join, the sweep; on Spark and on Flink."""
