"""Plugins that wrap hooks or hear events, whichever provider runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core import environment
from dynamo_core.errors import BrokenProviderError, ProviderError
from dynamo_core.provider.discovery import InstalledEntryPoint, discover_extensions
from dynamo_core.provider.importing import describe, import_entry_point
from dynamo_core.provider.manager import Extension

if TYPE_CHECKING:
    from collections.abc import Mapping


class BrokenExtensionError(ProviderError):
    """An installed extension cannot be used, and nothing runs without somebody deciding about it."""

    def __init__(self, name: str, *, distribution: str, cause: str) -> None:
        super().__init__(
            f"extension {name!r} of {distribution} is broken: {cause}; "
            f"mend or uninstall it, or leave it out with {environment.DISABLE_PLUGINS}={name}"
        )
        self.name = name
        self.distribution = distribution
        self.cause = cause


def load_extensions(environ: Mapping[str, str]) -> list[Extension]:
    """Import every installed extension that is not disabled.

    Args:
        environ: The environment; ``DYNAMO_DISABLE_PLUGINS`` holds names separated by commas, or ``all``.

    Raises:
        BrokenExtensionError: One cannot be imported or built.
    """
    disabled = {name.strip() for name in environ.get(environment.DISABLE_PLUGINS, "").split(",")}
    if "all" in disabled:
        return []
    return [_load(found) for found in discover_extensions() if found.name not in disabled]


def _load(found: InstalledEntryPoint) -> Extension:
    """Import one extension; a class is built, a module or any other object is taken as it is."""
    try:
        loaded = import_entry_point(found, may_be_module=True)
        if isinstance(loaded, type):
            loaded = loaded()
    except KeyboardInterrupt:
        raise
    except BrokenProviderError as exc:
        raise BrokenExtensionError(found.name, distribution=found.distribution, cause=exc.cause) from exc
    except BaseException as exc:  # the constructor is the extension's code
        raise BrokenExtensionError(found.name, distribution=found.distribution, cause=describe(exc)) from exc
    return Extension(f"{found.distribution}:{found.name}", loaded)
