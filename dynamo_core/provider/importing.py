"""Import what an entry point names; whatever it does to fail, short of Ctrl-C, becomes one named error."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NoReturn

from dynamo_core.errors import BrokenProviderError
from dynamo_core.provider.manifest import split_value

if TYPE_CHECKING:
    from dynamo_core.provider.discovery import InstalledEntryPoint, ProviderCandidate


def import_entry_point(
    entry_point: ProviderCandidate | InstalledEntryPoint, *, may_be_module: bool = False
) -> object:
    """The object that an entry point names.

    Raises:
        BrokenProviderError: It cannot be imported.
    """
    try:
        module, attribute = split_value(entry_point.value, may_be_module=may_be_module)
    except ValueError as exc:
        raise_broken(entry_point, str(exc), exc)
    try:
        loaded: object = importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except SystemExit as exc:
        raise_broken(entry_point, f"importing {module!r} tried to end the program ({describe(exc)})", exc)
    except BaseException as exc:  # noqa: BLE001  # the module is other people's code
        raise_broken(entry_point, f"importing {module!r} raised {describe(exc)}", exc)
    for name in attribute.split(".") if attribute else ():
        try:
            loaded = getattr(loaded, name)
        except KeyboardInterrupt:
            raise
        except AttributeError as exc:
            raise_broken(entry_point, f"module {module!r} has no {attribute!r}", exc)
        except BaseException as exc:  # noqa: BLE001  # a module may answer with code of its own
            raise_broken(entry_point, f"{entry_point.value} raised {describe(exc)}", exc)
    return loaded


def describe(exc: BaseException) -> str:
    """One line on an exception: type and message."""
    text = " ".join(str(exc).split())
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def raise_broken(
    entry_point: ProviderCandidate | InstalledEntryPoint, cause: str, exc: BaseException | None = None
) -> NoReturn:
    """Report an installed provider as broken, with the command that mends it.

    Raises:
        BrokenProviderError: Always.
    """
    raise BrokenProviderError(
        entry_point.name,
        distribution=entry_point.distribution,
        cause=cause,
        remedy=mend_command(entry_point.distribution),
    ) from exc


def mend_command(distribution: str) -> str:
    """What to type when an installed distribution does not work."""
    return f"mend it with 'python -m pip install --upgrade --force-reinstall {distribution}'"
