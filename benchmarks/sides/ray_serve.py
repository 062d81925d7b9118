"""Ray Serve: two deployments on a cluster of this machine; the caller is one of them."""

from __future__ import annotations

import logging
import os
import sys

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import serve

from benchmarks.sides.living import FIRST, RECOVER, hold
from benchmarks.sides.ray_graph import Backend, Frontend
from benchmarks.sides.serving import PATIENCE_S, print_figures
from benchmarks.work import ARGUMENT

QUIET = {"log_level": "ERROR", "enable_access_log": False}


def main() -> None:
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=256 << 20,
        _node_ip_address="127.0.0.1",
    )
    try:
        serve.start(proxy_location="Disabled", logging_config=QUIET)
        application = Frontend.bind(Backend.bind())  # type: ignore[attr-defined]  # added by the decorator
        handle = serve.run(application, route_prefix=None)
        if sys.argv[1:2] == [FIRST]:
            handle.ask.remote(ARGUMENT).result(timeout_s=PATIENCE_S)
            hold()
            return
        work = handle.recover if sys.argv[1:2] == [RECOVER] else handle.measure
        figures = work.remote().result(timeout_s=2 * PATIENCE_S)
    finally:
        serve.shutdown()
        ray.shutdown()
    print_figures(figures)


if __name__ == "__main__":
    main()
