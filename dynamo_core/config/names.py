"""The one grammar of names that this project gives a meaning: services, namespaces, runs."""

from __future__ import annotations

import re
from typing import Final

from dynamo_core.errors import ConfigError

NAME_GRAMMAR: Final = "[A-Za-z][A-Za-z0-9_-]{0,63}"

_NAME: Final = re.compile(NAME_GRAMMAR)


def is_name(text: str) -> bool:
    """Whether *text* can be the name of a service, a namespace or a run."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str, *, what: str) -> str:
    """Give *name* back if it can be the name of a service, a namespace or a run.

    Such a name is safe in messages, in environment variables and as an argument; paths are never made of it.

    Args:
        name: What was given.
        what: What it names, for the message: ``a service's name``.

    Raises:
        ConfigError: It does not fit the grammar.
    """
    if not isinstance(name, str) or not is_name(name):
        raise ConfigError(
            f"{what} must fit {NAME_GRAMMAR} (a letter, then at most 63 letters, digits, '_' or '-'), "
            f"got {_shorten(name)}"
        )
    return name


def _shorten(name: object) -> str:
    shown = repr(name)
    return shown if len(shown) <= 80 else f"{shown[:76]}...'"
