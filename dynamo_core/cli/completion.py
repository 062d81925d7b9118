"""``dynamo completion``."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Final

import click

from dynamo_core.cli.console import write

SHELLS: Final = ("bash", "zsh", "fish")
COMPLETION_VARIABLE: Final = "_DYNAMO_COMPLETE"


HELP: Final = """Print the completion script of SHELL: bash, zsh or fish; without it, of the shell that $SHELL names.

\b
bash: dynamo completion bash >> ~/.bashrc
zsh:  dynamo completion zsh >> ~/.zshrc
fish: dynamo completion fish > ~/.config/fish/completions/dynamo.fish
"""


@click.command(short_help="Print the completion script of a shell.", help=HELP)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class  # needed only here

    wanted = shell or PurePath(os.environ.get("SHELL", "")).name
    if wanted not in SHELLS:
        raise click.UsageError(f"name the shell, one of {', '.join(SHELLS)}; $SHELL names none of them", ctx)
    shell_class = get_completion_class(wanted)
    assert shell_class is not None, "click knows these three"
    root = ctx.find_root()
    write(shell_class(root.command, {}, "dynamo", COMPLETION_VARIABLE).source())
