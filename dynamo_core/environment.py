"""Names of the environment variables that this project reads or sets for workers, and nothing else."""

from __future__ import annotations

from typing import Final

PROVIDER: Final = "DYNAMO_PROVIDER"
"""Name of the provider to use, below ``--provider`` in precedence."""

CONFIG: Final = "DYNAMO_CONFIG"
"""Path of the YAML file with the settings of the graph's services, below ``-f``."""

RUNTIME_DIR: Final = "DYNAMO_RUNTIME_DIR"
"""Folder under which private run directories are made; default below ``XDG_RUNTIME_DIR``."""

LOG_LEVEL: Final = "DYNAMO_LOG_LEVEL"
"""Level of this project's own log records: debug, info, warning or error."""

DISABLE_PLUGINS: Final = "DYNAMO_DISABLE_PLUGINS"
"""Extensions (group ``dynamo.plugins``) to leave out: names separated by commas, or ``all``."""

ALLOW_PROVIDERS: Final = "DYNAMO_ALLOW_PROVIDERS"
"""What may be loaded at all: entries ``GROUP:DISTRIBUTION`` separated by commas."""

STRICT: Final = "DYNAMO_STRICT"
"""Whether silent losses and broken extensions are errors, as ``serve --strict``."""

RUN_ID: Final = "DYNAMO_RUN_ID"
"""For workers: id of the run, which both ends of a connection must name."""

SERVICE: Final = "DYNAMO_SERVICE"
"""For workers: name of the service that the worker serves."""

SLOT: Final = "DYNAMO_SLOT"
"""For workers: number of the worker's slot."""

WORKER_FD: Final = "DYNAMO_WORKER_FD"
"""For workers: number of the descriptor that the bootstrap comes through."""

WORKER_ID: Final = "DYNAMO_WORKER_ID"
"""For workers, and so for what they start: the run's id, ``/``, and which worker it is."""

PREFIX: Final = "DYNAMO_"
