"""Where a service listens for HTTP, and what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from dynamo_core.config import readers
from dynamo_core.config.record import ConfigRecord, read_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from typing import Any

_seconds = readers.number(above=0)


@attrs.frozen(kw_only=True, init=False)
class HttpConfig(ConfigRecord):
    """The HTTP side of a service that has ``@api`` endpoints.

    Attributes:
        host: Address to listen on.
        port: TCP port, 0 for a free one; the default holds for the entry service, others take a free one.
        cors_origins: Origins of other sites that may call, such as ``https://app.example.com``; ``*`` for all.
        allowed_hosts: Hosts that requests may name besides the own ones; ``*.example.com`` for all below it.
        tls_certificate: Path of a certificate chain in PEM; None for plain HTTP.
        tls_key: Path of its key; None when the certificate's file has it.
        max_body_bytes: Bytes of a request's body, at least 0.
        max_header_bytes: Bytes of a request's head, its target included.
        max_connections: Connections that are open at once, per worker.
        header_timeout_s: Seconds, above 0, for receiving a request's head, and for a TLS handshake.
        body_timeout_s: Seconds, above 0, for receiving a body, longer while it comes fast enough.
        keep_alive_s: Seconds, above 0, that an idle connection stays open.
    """

    host: str = attrs.field(default="127.0.0.1", metadata=read_by(readers.filled_text))
    port: int = attrs.field(default=8000, metadata=read_by(readers.whole_number(at_least=0, at_most=65535)))
    cors_origins: tuple[str, ...] = attrs.field(
        default=(), metadata=read_by(readers.tuple_of(readers.origin, "a list of origins"))
    )
    allowed_hosts: tuple[str, ...] = attrs.field(
        default=(), metadata=read_by(readers.tuple_of(readers.host, "a list of host names"))
    )
    tls_certificate: str | None = attrs.field(
        default=None, metadata=read_by(readers.optional(readers.filled_text))
    )
    tls_key: str | None = attrs.field(default=None, metadata=read_by(readers.optional(readers.filled_text)))
    max_body_bytes: int = attrs.field(
        default=16 * 1024 * 1024, metadata=read_by(readers.whole_number(at_least=0))
    )
    max_header_bytes: int = attrs.field(
        default=64 * 1024, metadata=read_by(readers.whole_number(at_least=1024))
    )
    max_connections: int = attrs.field(default=1000, metadata=read_by(readers.whole_number(at_least=1)))
    header_timeout_s: float = attrs.field(default=10.0, metadata=read_by(_seconds))
    body_timeout_s: float = attrs.field(default=30.0, metadata=read_by(_seconds))
    keep_alive_s: float = attrs.field(default=15.0, metadata=read_by(_seconds))

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913  # one for each field, as whoever builds a record may give it
            self,
            values: Mapping[str, Any] | None = None,
            *,
            host: str = ...,
            port: int = ...,
            cors_origins: Sequence[str] = ...,
            allowed_hosts: Sequence[str] = ...,
            tls_certificate: str | PathLike[str] | None = ...,
            tls_key: str | PathLike[str] | None = ...,
            max_body_bytes: int = ...,
            max_header_bytes: int = ...,
            max_connections: int = ...,
            header_timeout_s: float = ...,
            body_timeout_s: float = ...,
            keep_alive_s: float = ...,
        ) -> None: ...
