"""Writing the state file beside an event loop."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from dynamo_core.control.state import write_state
from dynamo_core.errors import RunDirectoryError

if TYPE_CHECKING:
    from dynamo_core.control.state import RunState

logger = logging.getLogger(__name__)


async def write_to_its_end(descriptor: int, state: RunState) -> None:
    """Write the state file in a thread; a caller that is cancelled leaves once the thread has ended.

    A directory that is removed next so gets no file any more. A write that fails is logged.

    Args:
        descriptor: Of the run's directory.
        state: What is written.
    """
    writing = asyncio.ensure_future(asyncio.to_thread(write_state, descriptor, state))
    try:
        await asyncio.shield(writing)
    except RunDirectoryError as exc:
        logger.warning("%s", exc)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        writing.exception()  # whatever it was, it is of no use any more
        raise
