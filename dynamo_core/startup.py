"""Making a process start quickly."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Look for no garbage while the block imports modules; what is there at its end is not looked at again.

    Imports make many objects and hardly any garbage: looking for it takes a tenth of a start.
    For programs of this project only, around their own imports: not around the user's code, and not in a process
    that is the user's.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()
