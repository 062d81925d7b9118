"""Ray Serve: a deployment that holds a handle of another; the caller is one of them."""

from __future__ import annotations

import os

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import serve

from benchmarks.pinning import PLACE_VARIABLE
from benchmarks.sides.ray_graph import Backend, Frontend
from benchmarks.sides.serving import print_figures

MOST_S = 150


def main() -> None:
    variables = {name: os.environ[name] for name in (PLACE_VARIABLE, "PYTHONPATH")}
    ray.init(
        include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": variables}, _node_ip_address="127.0.0.1"
    )
    try:
        application = Frontend.bind(Backend.bind())  # type: ignore[attr-defined]  # added by the decorator
        handle = serve.run(application, name="benchmark", route_prefix=None)
        print_figures(handle.measure.remote().result(timeout_s=MOST_S))
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
