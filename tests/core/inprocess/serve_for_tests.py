"""Serves a graph as ``dynamo serve`` does, and writes each event on a line: a program of its own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from dynamo_core.errors import DynamoError, StartError
from dynamo_core.inprocess import InProcessDeploymentTarget
from dynamo_core.loader import load_graph
from dynamo_core.provider.binding import serve_graph

if TYPE_CHECKING:
    from dynamo_core.provider import ServiceEvent


def tell(event: ServiceEvent) -> None:
    worker = event.service if event.slot is None else f"{event.service}/{event.slot}"
    print(f"{worker} {event.kind} {event.url or event.detail}".strip(), flush=True)


def main(target: str, *, has_sockets: bool) -> int:
    if not has_sockets:  # as on a system that is not POSIX
        sys.modules["fcntl"] = None  # type: ignore[assignment]
        from dynamo_core.inprocess import serve

        serve._HAS_RUN_FILES = False
    try:
        return serve_graph(InProcessDeploymentTarget(), load_graph(target), listeners=[tell])
    except StartError as exc:
        print(*exc.last_lines, exc, sep="\n", flush=True)
        return exc.exit_code
    except DynamoError as exc:
        print(exc, flush=True)
        return exc.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], has_sockets=os.environ.get("WITHOUT_SOCKETS") is None))
