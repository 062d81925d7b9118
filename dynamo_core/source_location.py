"""Where functions and classes stand in their files: the line of ``def`` or ``class``, below the decorators.

Python records the line of the first decorator, so that the rest is found by looking at the source.
"""

from __future__ import annotations

import inspect
import linecache
import re
import sys
from typing import TYPE_CHECKING, Any

from dynamo_core.errors import Location

if TYPE_CHECKING:
    from collections.abc import Callable


def locate_function(function: Callable[..., Any]) -> Location:
    """The place of a function's ``def``; that of the wrapped function when it is a wrapper."""
    code = inspect.unwrap(function).__code__
    return find_line(Location(code.co_filename, code.co_firstlineno), rf"(async\s+)?def\s+{code.co_name}\b")


def locate_class(cls: type, decorated_at: Location | None = None) -> Location:
    """The place of a class's ``class``.

    Args:
        cls: The class.
        decorated_at: Where a decorator of it was called, if that is known; otherwise its source is searched.

    Returns:
        Its place; the first line of its module when it has none (a class made by ``type()``).
    """
    start = decorated_at or _search_class(cls)
    if start is None:
        module = sys.modules.get(cls.__module__)
        return Location(getattr(module, "__file__", None) or f"<{cls.__module__}>", 1)
    return find_line(start, rf"class\s+{cls.__name__}\b")


def find_line(start: Location, pattern: str) -> Location:
    """The first line from *start* on that begins with *pattern*; *start* itself when there is none."""
    linecache.checkcache(start.file)
    wanted = re.compile(rf"\s*{pattern}")
    lines = linecache.getlines(start.file)
    for number, line in enumerate(lines[start.line - 1 :], start.line):
        if wanted.match(line):
            return Location(start.file, number)
    return start


def _search_class(cls: type) -> Location | None:
    try:
        file = inspect.getsourcefile(cls)
        _, index = inspect.findsource(cls)
    except (OSError, TypeError, SyntaxError):
        file = None
    if file is not None:
        return Location(file, index + 1)
    for value in vars(cls).values():
        if inspect.isfunction(value):
            return Location(value.__code__.co_filename, value.__code__.co_firstlineno)
    return None
