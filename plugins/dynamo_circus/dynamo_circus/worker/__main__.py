"""``python -m dynamo_circus.worker``: under a supervisor, or by hand for one worker alone."""

from __future__ import annotations

import os
import sys
from typing import Final

from dynamo_circus.exec_shim import die_with_parent

CHANNEL_OPTION: Final = "--channel="


def main(arguments: list[str]) -> int:
    """Serve what the arguments say; the exit status."""
    channel = [text for text in arguments if text.startswith(CHANNEL_OPTION)]
    if channel:
        # From now on the kernel ends this process with its supervisor; if that has gone already, the channel tells.
        die_with_parent(os.getppid())
        from dynamo_core.startup import without_collection  # protected first

        with without_collection():
            from dynamo_core.worker_kit.supervised import run_supervised

        return run_supervised(int(channel[0].removeprefix(CHANNEL_OPTION)), dies_with_parent=True)
    from dynamo_circus.worker.alone import run_alone  # by hand only

    return run_alone(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
