# SPDX-License-Identifier: Apache-2.0
"""Run a peer's work in an environment of its own, made on first use."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

import numpy as np

PEERS = Path(__file__).parent / "peers"


def environment(area: str) -> Path:
    """Make the environment of an area's peers, or find it made, and return its Python."""
    folder = PEERS / area / ".venv"
    wanted = (PEERS / area / "requirements.txt").read_bytes()
    mark = folder / hashlib.sha256(wanted).hexdigest()
    if not mark.exists():
        print(f"making {folder} …", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "-r"]
        subprocess.run([*pip, str(PEERS / area / "requirements.txt")], check=True)
        mark.touch()
    return folder / "bin" / "python"


def ask(area: str, work: str, **arrays: Any) -> dict[str, Any]:
    """Give arrays to a peer's work and return the arrays that it answers.

    Texts with None for missing become texts with "" for missing.
    """
    python = environment(area)
    with tempfile.TemporaryDirectory(prefix="heptad-peer-") as scratch:
        source, to = Path(scratch) / "in.npz", Path(scratch) / "out.npz"
        np.savez(source, **{name: _plain(values) for name, values in arrays.items()})
        command = [str(python), str(PEERS / area / "peer.py"), work, str(source), str(to)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"the peer failed at {work}:\n{done.stderr[-2000:]}")
        with np.load(to) as file:
            return {name: file[name] for name in file.files}


def _plain(values: Any) -> Any:
    array = np.asarray(values)
    if array.dtype != object:
        return array
    return np.array(["" if v is None else str(v) for v in array.tolist()])
