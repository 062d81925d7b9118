"""A worker started by a command of one's own: ``python -m backend_worker``.

The provider gives it the slot it serves and the way to say that it is ready; ``serve_worker`` does the rest.
"""

from __future__ import annotations

from dynamo_core.provider import serve_worker
from echo_backend import BackendClass

if __name__ == "__main__":
    serve_worker(BackendClass)
