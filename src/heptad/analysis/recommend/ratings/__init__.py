# SPDX-License-Identifier: Apache-2.0
"""What a user would rate an item: models of the rating itself, and their blend."""
