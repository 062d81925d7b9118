"""A click group whose commands are imported when they are used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dynamo_core.startup import without_collection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynamo_core.cli.commands import CommandEntry


class OutputClosedError(Exception):
    """Whoever read standard output has gone."""


class InterruptedCommandError(Exception):
    """Ctrl-C."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and summary.

    Args:
        entries: Its commands.
    """

    def __init__(self, *args: Any, entries: Mapping[str, CommandEntry] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = dict(entries or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table, then those added otherwise."""
        return [*self.entries, *(name for name in super().list_commands(ctx) if name not in self.entries)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name; None when there is none."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = entry.target.partition(":")
        with without_collection():
            command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), f"{entry.target} is no click command"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none of them."""
        rows = [(name, entry.summary) for name, entry in self.entries.items()]
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            if command is not None and not command.hidden and name not in self.entries:
                rows.append((name, command.get_short_help_str(80)))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that *args* begin with; a misspelt one is told what was near."""
        if args and not ctx.resilient_parsing and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            if args[0] not in known:
                _refuse(ctx, args[0], known)
        return super().resolve_command(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse *args*; ``--help`` and ``--version`` write here already."""
        with _Translated():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _Translated():
            return super().invoke(ctx)


class _Translated:
    """Keeps two endings from click, which has its own opinion about them: a closed pipe and Ctrl-C."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, exc: BaseException | None, _traceback: object) -> None:
        if isinstance(exc, BrokenPipeError):
            raise OutputClosedError from exc
        if isinstance(exc, KeyboardInterrupt):
            raise InterruptedCommandError from exc


def _refuse(ctx: click.Context, name: str, known: list[str]) -> NoReturn:
    import difflib  # for mistakes only

    nearest = difflib.get_close_matches(name, known, 1)
    hint = f", did you mean {nearest[0]!r}?" if nearest else f" (commands: {', '.join(known)})"
    raise click.UsageError(f"no such command {name!r}{hint}", ctx)
