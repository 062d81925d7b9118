"""Options of ``dynamo serve`` that are the provider's to know: which of them it has, it says itself."""

from __future__ import annotations

import typing
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import click
from click.core import ParameterSource

from dynamo_core.errors import ConfigError, UnsupportedOptionError
from dynamo_core.logs.settings import DEFAULT_KEEP, DEFAULT_MAX_BYTES, LOWEST_LIMIT

if TYPE_CHECKING:
    from dynamo_core.provider.target import DeploymentTarget

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: Final = ("reload", "log_format", "log_dir", "log_max_bytes", "log_keep")
"""Names of the provider's options, which are those of the command's arguments."""

_OF_LOG_FILES: Final = ("log_max_bytes", "log_keep")


def log_options(function: F) -> F:
    """Add ``--option``, ``--reload`` and the options about logs to a command."""
    for option in reversed(
        (
            click.option(
                "-o",
                "--option",
                "options",
                multiple=True,
                metavar="NAME=VALUE",
                help="An option of the provider's own, which 'dynamo providers show' lists; may be given several times.",
            ),
            click.option(
                "--reload", is_flag=True, help="Restart services when files they have imported change."
            ),
            click.option(
                "--log-format",
                type=click.Choice(["text", "json"]),
                default="text",
                show_default=True,
                help="Form of every line on standard error: for people, or one JSON object each.",
            ),
            click.option(
                "--log-dir",
                type=click.Path(path_type=Path),
                metavar="DIR",
                help="Write what workers write to a file per service in DIR, too.",
            ),
            click.option(
                "--log-max-bytes",
                type=click.IntRange(min=LOWEST_LIMIT),
                metavar="N",
                show_default=str(DEFAULT_MAX_BYTES),
                help="With --log-dir: begin a new file before one is larger.",
            ),
            click.option(
                "--log-keep",
                type=click.IntRange(min=0),
                metavar="N",
                show_default=str(DEFAULT_KEEP),
                help="With --log-dir: keep so many files before the present one.",
            ),
        )
    ):
        function = option(function)
    return function


def read_provider_options(ctx: click.Context, target: DeploymentTarget) -> dict[str, Any]:
    """The provider's options, as they were given on the command line; what was not given is left to the provider.

    Args:
        ctx: The command's context.
        target: The provider.

    Raises:
        UnsupportedOptionError: It has no such option.
        click.UsageError: An option does nothing without another one.
    """
    given = {
        name: ctx.params[name]
        for name in OPTIONS
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if given.get("log_format") == "text":  # every provider writes text
        del given["log_format"]
    for name in _OF_LOG_FILES:
        if name in given and "log_dir" not in given:
            raise click.UsageError(f"{_spelt(name)} goes with --log-dir", ctx)
    own = _read_own(ctx, target)
    if twice := [name for name in own if name in given]:
        raise click.UsageError(f"{', '.join(twice)}: given as an option of the command, too", ctx)
    known = {field.alias for field in attrs.fields(target.options_type)}
    unknown = [_spelt(name) for name in given if name not in known]
    if unknown:
        raise UnsupportedOptionError(target.name, unknown)
    target.read_options({**given, **own})  # what is wrong with them is told before anything else happens
    return {**given, **own}


def _read_own(ctx: click.Context, target: DeploymentTarget) -> dict[str, Any]:
    """What ``--option`` was given, each value as the provider's class annotates it."""
    found: dict[str, Any] = {}
    for text in ctx.params["options"]:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--option takes NAME=VALUE, got {text!r}", ctx)
        found[name] = _convert(target, name, value)
    return found


def _convert(target: DeploymentTarget, name: str, text: str) -> object:
    """A value as the field of that name wants it; the text itself where that does not say."""
    import msgspec  # only where there are such options

    if name not in {field.name for field in attrs.fields(target.options_type)}:
        return text  # told by who reads the options
    try:
        wanted = typing.get_type_hints(target.options_type)[name]
    except NameError as exc:
        raise ConfigError(
            f"option {name} of provider {target.name!r} cannot be read: {target.options_type.__qualname__} has a type "
            f"{exc.name!r} that its module does not import at run time, which is a mistake of the provider's"
        ) from exc
    try:
        msgspec.json.Decoder(wanted)
    except TypeError:  # of a type that msgspec does not know
        return text
    try:
        return msgspec.convert(text, wanted, strict=False)
    except msgspec.ValidationError as exc:
        try:
            return msgspec.json.decode(text, type=wanted)
        except msgspec.MsgspecError:
            message = f"option {name} of provider {target.name!r}: {str(exc)[:1].lower()}{str(exc)[1:]}"
            raise ConfigError(f"{message} {text!r}") from exc


def _spelt(name: str) -> str:
    return f"--{name.replace('_', '-')}"
