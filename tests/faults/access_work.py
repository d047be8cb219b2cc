# SPDX-License-Identifier: Apache-2.0
"""Reads one table again and again; says a number once each read was answered."""

from __future__ import annotations

import sys

from heptad.runtime import Platform


def main(folder: str) -> None:
    """Read until killed."""
    with Platform.open(folder) as platform:
        number = 0
        while True:
            assert platform.read("Customer", who=f"reader-{number}").num_rows == 1
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            number += 1


if __name__ == "__main__":
    main(sys.argv[1])
