"""The grammar of provider names, and of what may be asked for.

A name is looked up among the installed providers and is never used as anything else: not as an import path, not as
a file name.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from dynamo_core.errors import InvalidProviderNameError

DEFAULT_PROVIDER: Final = "bentoml"
"""Used when it is installed and nothing else is asked for: the one provider that core knows by name."""

IN_PROCESS: Final = "inprocess"
"""The provider inside core itself; it counts when it is named, or when nothing else is installed."""

NAME_PATTERN: Final = r"[a-z][a-z0-9_-]{0,31}"
"""What the name of a provider looks like."""

_NAME: Final = re.compile(NAME_PATTERN, re.ASCII)
_DISTRIBUTION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", re.ASCII)


class ProviderRequest(NamedTuple):
    """What somebody asked for.

    Attributes:
        name: The provider's name.
        distribution: Its distribution, normalised; None when that was left open.
    """

    name: str
    distribution: str | None = None


def is_provider_name(name: str) -> bool:
    """Whether *name* fits ``[a-z][a-z0-9_-]{0,31}``."""
    return _NAME.fullmatch(name) is not None


def is_distribution_name(name: str) -> bool:
    """Whether *name* can be the name of a distribution."""
    return _DISTRIBUTION.fullmatch(name) is not None


def normalize_distribution(name: str) -> str:
    """The form in which names of distributions are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_request(text: str, *, source: str) -> ProviderRequest:
    """Read ``name`` or ``distribution:name``.

    Args:
        text: What was asked for.
        source: Where it was asked, for the message.

    Raises:
        InvalidProviderNameError: It is neither.
    """
    distribution, separator, name = text.rpartition(":")
    if not is_provider_name(name) or (separator and not is_distribution_name(distribution)):
        raise InvalidProviderNameError(text, source=source)
    return ProviderRequest(name, normalize_distribution(distribution) if separator else None)
