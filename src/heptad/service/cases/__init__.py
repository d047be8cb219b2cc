# SPDX-License-Identifier: Apache-2.0
"""Cases: what people work on after a decision, with evidence, until an outcome resumes its flow."""
