# SPDX-License-Identifier: Apache-2.0
"""A process with fault.c preloaded that forks a child for each job, so that imports cost once.

It reads one JSON job a line: {"work": "module:function", "arguments": [...], "folder", "nth",
"mode", "mount", "record", "limit_s"}. It answers one line: {"status": …, "calls": …}, where status is
"done", "killed", "hung" or the text of an exception, and calls is how many storage calls the
child made, where it lived to tell.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import select
import signal
import sys
import traceback


def child(job: dict, answer: int) -> None:
    """Do the work with the fault armed, then tell."""
    module, _, name = job["work"].partition(":")
    work = getattr(importlib.import_module(module), name)
    fault = ctypes.CDLL(None)
    fault.fault_arm(
        job["folder"].encode(),
        ctypes.c_long(job["nth"]),
        job["mode"].encode(),
        job["mount"].encode(),
        job["record"].encode(),
    )
    try:
        work(*job["arguments"])
        status = "done"
    except BaseException:
        status = traceback.format_exc()
    told = json.dumps({"status": status, "calls": fault.fault_count()})
    os.write(answer, told.encode())
    os._exit(0)


def serve(job: dict) -> dict:
    """Fork a child for the job and wait for it."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        child(job, theirs)
    os.close(theirs)
    ready, _, _ = select.select([ours], [], [], job["limit_s"])
    told = os.read(ours, 1 << 20) if ready else b""
    os.close(ours)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if told:
        return json.loads(told)
    return {"status": "killed" if ready else "hung", "calls": 0}


def main() -> None:
    """Import and warm up what the jobs need, then serve until the input ends."""
    sys.path[:0] = sys.argv[1:2]
    for module in sys.argv[2:]:
        importlib.import_module(module).warm()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
