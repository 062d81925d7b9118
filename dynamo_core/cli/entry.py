"""Where the command begins and ends: the one place that turns errors into text and exit codes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from dynamo_core.cli.group import InterruptedCommandError, OutputClosedError
from dynamo_core.cli.root import dynamo

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_INTERRUPTED: Final = 130
"""Ctrl-C ended a command that does not end by it otherwise, as shells have it: 128 + SIGINT."""
EXIT_OUTPUT_CLOSED: Final = 141
"""Whoever read the output has gone, as shells have it: 128 + SIGPIPE."""


def main() -> NoReturn:
    """The console script ``dynamo``."""
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: Words after ``dynamo``; None takes those of this process.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = dynamo.main(given, prog_name="dynamo", standalone_mode=False)
        sys.stdout.flush()
    except (OutputClosedError, BrokenPipeError):
        _forget_output()
        return EXIT_OUTPUT_CLOSED
    except (InterruptedCommandError, KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except Exception as exc:  # noqa: BLE001  # the boundary of the program
        from dynamo_core.cli.failures import report_failure  # imported when something failed

        return report_failure(exc, debug="--debug" in given)
    finally:
        _restore_standard_error()
    return result if isinstance(result, int) else 0


def _restore_standard_error() -> None:
    """Undo what a command did that wrote records."""
    if "dynamo_core.cli.record_stream" in sys.modules:  # such commands only
        from dynamo_core.cli.record_stream import turn_back

        turn_back()


def _forget_output() -> None:
    """Keep Python from complaining when it flushes standard output at exit."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
