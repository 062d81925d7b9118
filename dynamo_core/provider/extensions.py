"""Plugins that wrap hooks or hear events, whichever provider runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from dynamo_core import environment
from dynamo_core.errors import BrokenExtensionError, BrokenProviderError, ConfigError, HookError
from dynamo_core.provider.allowing import find_allow_list
from dynamo_core.provider.discovery import EXTENSIONS_GROUP, InstalledEntryPoint, discover_extensions
from dynamo_core.provider.hookspecs import hookimpl
from dynamo_core.provider.importing import describe, import_entry_point
from dynamo_core.provider.manager import Extension, HookManager

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

_YES: Final = ("1", "true", "yes", "on")
_NO: Final = ("", "0", "false", "no", "off")


def add_extensions(
    manager: HookManager, environ: Mapping[str, str], cwd: Path, *, is_strict: bool | None = None
) -> list[BrokenExtensionError]:
    """Import every extension that is allowed and not disabled, and put it around the hooks.

    Args:
        manager: Holds the provider's hooks.
        environ: The environment; ``DYNAMO_DISABLE_PLUGINS`` holds names, ``distribution:name`` or plain, separated by
            commas, or ``all``.
        cwd: Where the search for the project's allow list begins.
        is_strict: Whether a broken one is an error; None asks ``DYNAMO_STRICT``.

    Returns:
        What is wrong with those that are left out; each is logged as a warning too.

    Raises:
        BrokenExtensionError: One cannot be imported, built or registered, and that is to be strict.
        ConfigError: The allow list or ``DYNAMO_STRICT`` is wrong.
    """
    strict = is_on(environ, environment.STRICT) if is_strict is None else is_strict
    broken: list[BrokenExtensionError] = []
    for found in find_extensions(environ, cwd):
        try:
            _add(manager, found)
        except BrokenExtensionError as exc:
            if strict:
                raise
            logger.warning("left out: %s", exc)
            broken.append(exc)
    return broken


def find_extensions(environ: Mapping[str, str], cwd: Path) -> list[InstalledEntryPoint]:
    """Extensions that are allowed and not disabled; nothing is imported.

    Raises:
        ConfigError: The allow list is wrong.
    """
    disabled = {name.strip() for name in environ.get(environment.DISABLE_PLUGINS, "").split(",")}
    if "all" in disabled:
        return []
    installed = discover_extensions()
    if not installed:
        return []
    allowed = find_allow_list(environ, cwd)
    return [
        found
        for found in installed
        if not disabled & {found.name, f"{found.distribution}:{found.name}"}
        and allowed.allows(EXTENSIONS_GROUP, found.distribution)
    ]


def is_on(environ: Mapping[str, str], variable: str) -> bool:
    """Whether a variable says yes; one that is not set, or empty, says no.

    Raises:
        ConfigError: It says something else.
    """
    text = environ.get(variable, "").strip().lower()
    if text in _YES or text in _NO:
        return text in _YES
    raise ConfigError(f"{variable} must be one of {', '.join((*_YES, *_NO[1:]))}, got {environ[variable]!r}")


class _Nobody:
    """Hooks of no provider."""

    @hookimpl
    def create_service(self) -> None: ...

    @hookimpl
    def create_dependency(self) -> None: ...

    @hookimpl
    def run_services(self) -> None: ...

    @hookimpl
    def serve_services(self) -> None: ...


def try_extension(found: InstalledEntryPoint) -> None:
    """Import one extension and see whether its hooks fit; for a process that is there for that.

    Raises:
        BrokenExtensionError: It cannot be imported, built or registered.
    """
    _add(HookManager("nobody", _Nobody()), found)


def _add(manager: HookManager, found: InstalledEntryPoint) -> None:
    extension = _load(found)
    try:
        manager.add_extension(extension)
    except HookError as exc:
        cause = f"hook {exc.hook!r}: {exc.message}"
        raise BrokenExtensionError(found.name, distribution=found.distribution, cause=cause) from exc
    except Exception as exc:  # what is asked for its hooks is the extension's object
        raise BrokenExtensionError(found.name, distribution=found.distribution, cause=describe(exc)) from exc


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
