"""A program that runs services and looks at itself: prints what is different afterwards, as JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from dynamo_circus import CircusDeploymentTarget
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph

SERVICES = Path(__file__).parents[1] / "services.py"
ROUNDS = 10


def look() -> dict[str, Any]:
    """What a run must not change."""
    umask = os.umask(0o022)
    os.umask(umask)
    return {
        "signal handlers": {number: repr(signal.getsignal(number)) for number in signal.valid_signals()},
        "wakeup descriptor": set_and_get_wakeup(),
        "umask": umask,
        "root log handlers": [repr(handler) for handler in logging.getLogger().handlers],
        "root log level": logging.getLogger().level,
        "Thread._delete": repr(threading.Thread.__dict__.get("_delete")),
        "event loop policy": repr(asyncio.get_event_loop_policy()),
        "cwd": os.getcwd(),  # noqa: PTH109  # as programs do
        "sys.path": list(sys.path),
        "environ": dict(os.environ),
        "excepthook": repr(sys.excepthook),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "is subreaper": is_subreaper(),
        "circus imported": "circus" in sys.modules,
    }


def set_and_get_wakeup() -> int:
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    return descriptor


def is_subreaper() -> int:
    import ctypes

    answer = ctypes.c_int()
    ctypes.CDLL(None).prctl(37, ctypes.byref(answer), 0, 0, 0)
    return answer.value


def leave(code: int) -> None:
    sys.exit(code)


def count_right_exit_codes() -> dict[str, int]:
    """How often children of this program's own have the exit code that they gave."""
    right = {"subprocess": 0, "multiprocessing": 0}
    for number in range(ROUNDS):
        code = 7 + number
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", f"import sys; sys.exit({code})"])
        time.sleep(0.05)  # whoever takes exit codes from others would have it by now
        right["subprocess"] += child.wait() == code
        process = multiprocessing.Process(target=leave, args=(code,))
        process.start()
        process.join()
        right["multiprocessing"] += process.exitcode == code
    return right


def main() -> None:
    graph = load_graph(f"{SERVICES}:Work")
    before = look()
    with run_graph(CircusDeploymentTarget(), graph) as arbiter:
        during = look()
        client: Any = arbiter.client("Work")
        for worker in arbiter.status().services[0].workers:
            os.kill(worker.pid or 0, signal.SIGKILL)
        right = count_right_exit_codes()
        answer = client.again("own")
    after = look()
    may_differ_meanwhile = {"threads"}
    print(
        json.dumps(
            {
                "after": [name for name in before if before[name] != after[name]],
                "during": [
                    name
                    for name in before
                    if before[name] != during[name] and name not in may_differ_meanwhile
                ],
                "right": right,
                "answered": answer is not None,
                "rounds": ROUNDS,
            }
        )
    )


if __name__ == "__main__":
    main()
