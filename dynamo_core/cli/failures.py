"""What people see of an error, and the exit code that programs see."""

from __future__ import annotations

import contextlib
import os
import tempfile
import traceback

from dynamo_core.cli.console import message
from dynamo_core.errors import EXIT_FAILURE, DynamoError


def report_failure(exc: Exception, *, debug: bool) -> int:
    """Write *exc* to standard error.

    Args:
        exc: What ended the command.
        debug: Whether to write the traceback too.

    Returns:
        The exit code.
    """
    if debug:
        message("".join(traceback.format_exception(exc)).rstrip())
    if isinstance(exc, DynamoError):
        message(str(exc), kind="error", last_lines=getattr(exc, "last_lines", ()))
        return exc.exit_code
    text = " ".join(str(exc).split())
    place = "" if debug else f"; {_save_traceback(exc)}"
    message(f"unexpected {type(exc).__name__}: {text}{place}", kind="error")
    return EXIT_FAILURE


def _save_traceback(exc: Exception) -> str:
    """Put the traceback into a file of its own, for this user only, and say where it is."""
    with contextlib.suppress(OSError):
        descriptor, path = tempfile.mkstemp(prefix="dynamo-traceback-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(traceback.format_exception(exc))
        return f"its traceback is in {path}"
    return "run it again with 'dynamo --debug' to see the traceback"
