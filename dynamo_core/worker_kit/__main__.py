"""The built-in worker: ``python -m dynamo_core.worker_kit``, started by whoever runs a graph."""

from __future__ import annotations

from dynamo_core.startup import without_collection

if __name__ == "__main__":
    with without_collection():
        from dynamo_core.worker_kit.supervised import serve_worker
    serve_worker()
