"""What is measured side by side: a module each, which prints its figures as JSON.

``python -m benchmarks.sides.floor`` measures one start of the floor where ``BENCHMARK_PLACE`` says.
"""

from __future__ import annotations

SIDES = {
    "floor": "floor",
    "transport": "ours, transport alone",
    "circus": "ours, on circus",
    "http_unix": "HTTP over a unix socket",
    "grpc_unix": "grpc.aio over a unix socket",
    "bento": "BentoML",
    "ray_serve": "Ray Serve",
    "dynamo_runtime": "Dynamo runtime",
}
"""What they are called in tables, by module."""

NEEDS = {"grpc_unix": "grpc", "bento": "bentoml", "ray_serve": "ray", "dynamo_runtime": "dynamo.runtime"}
"""Module without which a side is left out."""
