"""What lies in a folder that others are just writing to."""

from __future__ import annotations

import os
from pathlib import Path


def everything_in(folder: Path) -> list[Path]:
    """All that is there; unlike ``rglob``, it does not mind when some of it goes away meanwhile."""
    return [Path(at, name) for at, folders, files in os.walk(folder) for name in (*folders, *files)]
