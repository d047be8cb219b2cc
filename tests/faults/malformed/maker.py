# SPDX-License-Identifier: Apache-2.0
"""Makes the large files of a chapter, since making them takes more memory than reading them may.

    python -m malformed.maker CHAPTER FOLDER
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    for number, case in enumerate(importlib.import_module(f"malformed.{sys.argv[1]}").CASES):
        if getattr(case, "large", None):
            made = Path(sys.argv[2]) / str(number)
            made.mkdir(parents=True)
            case.large(made)
