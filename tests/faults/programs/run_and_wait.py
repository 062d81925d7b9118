"""A program that runs services, says so, and waits until it is killed."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from dynamo_circus import CircusDeploymentTarget
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import run_graph

SERVICES = Path(__file__).parents[1] / "services.py"


def main() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it would be ignored
    with run_graph(CircusDeploymentTarget(), load_graph(f"{SERVICES}:{sys.argv[1]}")):
        print("ready", flush=True)
        time.sleep(600)


if __name__ == "__main__":
    main()
