"""Which hosts and origins a request may name: against DNS rebinding and calls from other sites.

A page in the user's browser can reach a loopback port.
What it cannot do is send another ``Host`` than the name it was loaded from, or leave out ``Origin`` on a POST.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from dynamo_core.http.problems import refuse_unread

if TYPE_CHECKING:
    from dynamo_core.config import HttpConfig
    from dynamo_core.http.asgi import Headers

_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::([0-9]{1,5}))?")
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_MAX_KNOWN_HOSTS: Final = 256


class RequestGuard:
    """Checks ``Host`` and ``Origin`` of each request.

    On a loopback bind only its names, the configured host and *allowed_hosts* may be named.
    On any other bind every host may, unless *allowed_hosts* says otherwise.

    Args:
        http: The service's HTTP configuration.
    """

    def __init__(self, http: HttpConfig) -> None:
        names: list[str] = list(http.allowed_hosts)
        if is_loopback(http.host):
            names += [*_LOOPBACK_NAMES, http.host]
        elif names:
            names.append(http.host)
        self._exact = {_bracketed(name.lower()) for name in names if not name.startswith("*")}
        self._suffixes = tuple(name[1:].lower() for name in names if name.startswith("*."))
        self._is_open = not names or "*" in names
        self._known: set[bytes] = set()
        self._origins = {origin.lower().rstrip("/") for origin in http.cors_origins}

    def check_host(self, headers: Headers) -> None:
        """Refuse a request without a host, or with one that is not served here.

        Raises:
            RefusedError: 400 when it is missing or malformed, 421 when it is another's.
        """
        host = headers.get(b"host")
        if host in self._known:
            return
        if host is None:
            raise refuse_unread(400, "the header 'host' is missing")
        match = _HOST.fullmatch(host)
        if match is None:
            raise refuse_unread(400, "the header 'host' is no host")
        name = match[1].decode("ascii").lower()
        if not (self._is_open or name in self._exact or name.endswith(self._suffixes or ("\0",))):
            raise refuse_unread(
                421, f"this server does not answer for the host {name!r}; see http.allowed_hosts"
            )
        if len(self._known) < _MAX_KNOWN_HOSTS:
            self._known.add(host)

    def check_origin(self, method: str, headers: Headers) -> None:
        """Refuse a request of another site that could change something.

        Raises:
            RefusedError: 403.
        """
        origin = headers.get(b"origin")
        if origin is None or method in _SAFE_METHODS:
            return
        text = origin.decode("latin-1").lower()
        if text in self._origins or "*" in self._origins:
            return
        scheme, _, authority = text.partition("://")
        port = _DEFAULT_PORTS.get(scheme, "")
        own = headers.get(b"host", b"").decode("latin-1").lower()
        if not authority or authority.removesuffix(port) != own.removesuffix(port):
            raise refuse_unread(403, "requests of other sites are refused; see http.cors_origins")


def is_loopback(host: str) -> bool:
    """Whether *host* can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name and not name.startswith("[") else name
