"""BentoML: a service that depends on another, both under ``bentoml serve``; the caller is one of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from benchmarks.sides.living import FIRST, RECOVER, hold
from benchmarks.sides.serving import PATIENCE_S, print_figures

GRAPH = "benchmarks.sides.bento_graph:Frontend"


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with serving(port):
        if sys.argv[1:2] == [FIRST]:
            post(port, "/ask")
            hold()
        else:
            print_figures(json.loads(post(port, "/recover" if sys.argv[1:2] == [RECOVER] else "/measure")))


@contextlib.contextmanager
def serving(port: int, graph: str = GRAPH) -> Iterator[subprocess.Popen[bytes]]:
    """Have BentoML serve until the block is left; gives its process, whose children are the workers."""
    command = [sys.executable, "-m", "bentoml", "serve", graph, "--port", str(port), "--host", "127.0.0.1"]
    environ = {**os.environ, "BENTOML_DO_NOT_TRACK": "True"}
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(command, env=environ, stdout=told, stderr=told, start_new_session=True) as process,
    ):
        try:
            wait_until_ready(port)
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def wait_until_ready(port: int) -> None:
    """Wait until BentoML says that all of the graph is."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (OSError, urllib.error.URLError):
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def post(port: int, path: str) -> bytes:
    """Send an empty request; gives the body of the answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data=b"{}", headers={"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        body: bytes = answer.read()
    return body


if __name__ == "__main__":
    main()
