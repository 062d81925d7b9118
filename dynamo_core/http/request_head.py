"""Heads of requests that the parser accepts and RFC 9112 does not, or that ask for an upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httptools

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSIONS: Final = frozenset({"1.0", "1.1"})
_UPGRADE_FIELDS: Final = frozenset({b"upgrade", b"http2-settings"})


def find_fault(version: str, target: bytes, fields: Sequence[tuple[bytes, bytes]]) -> tuple[int, str] | None:
    """Find what is wrong with a head: the status to refuse it with, and the reason; None when it is sound.

    Args:
        version: Of HTTP, such as ``1.1``.
        target: The request's target, as it came.
        fields: Names in lower case, and values.
    """
    if version not in _VERSIONS:
        return 505, f"HTTP/{version} is not spoken here"
    host, hosts = b"", 0
    for name, value in fields:
        if name == b"host":
            host, hosts = value, hosts + 1
        elif name == b"transfer-encoding" and (value.lower() != b"chunked" or version == "1.0"):
            return 400, "the only transfer coding taken is 'chunked', of HTTP/1.1"
    if hosts != 1:
        return 400, f"a request has one header 'host', this one {hosts}"
    if not target.startswith(b"/") and not _names_host(target, host):
        return 400, "the request's target names another host than the header 'host'"
    return None


def _names_host(target: bytes, host: bytes) -> bool:
    """Whether an absolute target, as proxies get it, has *host* as its authority."""
    parsed = httptools.parse_url(target)
    authority: bytes = parsed.host or b""
    if parsed.port is not None:
        authority += b":%d" % parsed.port
    return bool(parsed.path) and authority.lower() == host.lower().translate(None, b"[]")


def drop_upgrade(method: bytes, target: bytes, version: str, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write a head again, without what asks for an upgrade.

    Args:
        method: The request's method.
        target: Its target.
        version: Of HTTP.
        fields: Names in lower case, and values.
    """
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in fields:
        kept = value
        if name == b"connection":
            tokens = [token for token in value.split(b",") if token.strip().lower() not in _UPGRADE_FIELDS]
            kept = b",".join(tokens).strip()
        if name not in _UPGRADE_FIELDS and kept:
            lines.append(name + b": " + kept)
    return b"\r\n".join([*lines, b"\r\n"])
