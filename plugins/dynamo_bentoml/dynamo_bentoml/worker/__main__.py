"""``python -m dynamo_bentoml.worker``: one worker, started by a supervisor of this provider."""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

from dynamo_bentoml.worker.protection import die_with_parent

CHANNEL_OPTION: Final = "--channel="


def main(arguments: list[str]) -> NoReturn:
    """Serve what the supervisor says, and end the process."""
    channel = [text for text in arguments if text.startswith(CHANNEL_OPTION)]
    if not channel:
        sys.stderr.write(
            "error: this program is started by 'dynamo serve', 'run_services' or 'bentoml serve'\n"
        )
        sys.exit(2)
    # From now on the kernel ends this process with its supervisor; if that has gone already, the channel tells.
    die_with_parent(os.getppid())
    from dynamo_bentoml.worker.start import run_worker  # protected first

    run_worker(int(channel[0].removeprefix(CHANNEL_OPTION)))


if __name__ == "__main__":
    main(sys.argv[1:])
