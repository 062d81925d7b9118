"""HTTP for a service's ``@api`` endpoints: one ASGI application, and a hardened server for it.

Needs the extra ``dynamo-core[http]``; importing this package does not.
"""

from dynamo_core.http.interface import MissingExtraError, build_application, serve_http

__all__ = [
    "MissingExtraError",
    "build_application",
    "serve_http",
]
