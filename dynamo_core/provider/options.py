"""Turn ``**options`` into the provider's own typed class."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import attrs

from dynamo_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attrs import AttrsInstance


def read_options(provider: str, options_type: type[AttrsInstance], given: Mapping[str, Any]) -> Any:
    """Build the options of one call.

    Args:
        provider: The provider's name, for messages.
        options_type: Its attrs class.
        given: Values by name.

    Raises:
        ConfigError: A name is unknown, or a value is refused; all unknown names are reported at once.
    """
    known = [field.alias or field.name for field in attrs.fields(options_type) if field.init]
    unknown = [_unknown(provider, name, known) for name in given if name not in known]
    if unknown:
        raise ConfigError(*unknown)
    try:
        return options_type(**given)
    except (TypeError, ValueError) as exc:
        message = exc.args[0] if exc.args else exc  # attrs adds the field and the value to its own
        raise ConfigError(f"options of provider {provider!r}: {message}") from exc


def _unknown(provider: str, name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, 1)
    hint = f", did you mean {nearest[0]!r}?" if nearest else ""
    return f"provider {provider!r} has no option {name!r}{hint} (options: {', '.join(known) or 'none'})"
