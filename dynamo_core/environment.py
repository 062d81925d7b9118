"""Names of the environment variables this project reads, and nothing else."""

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

PREFIX: Final = "DYNAMO_"
