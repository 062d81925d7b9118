"""Making a worker harder to look into for other processes of its user (Linux; see the manual page prctl(2))."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

PR_SET_DUMPABLE: Final = 4
PR_SET_NO_NEW_PRIVS: Final = 38


def harden_process() -> bool:
    """Close this process's memory, environment and descriptors to others, and let it gain no privileges.

    Profilers and debuggers of the same user can no longer attach, and setuid helpers no longer work.

    Returns:
        Whether the platform can.

    Raises:
        OSError: The kernel refused.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_DUMPABLE, 0), (PR_SET_NO_NEW_PRIVS, 1)):
        arguments = [ctypes.c_ulong(each) for each in (value, 0, 0, 0)]
        if library.prctl(option, *arguments) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    return True
