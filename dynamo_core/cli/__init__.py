"""The command ``dynamo``. Importing it imports no provider, and no command before it is asked for."""

from dynamo_core.cli.entry import main, run

__all__ = ["main", "run"]
