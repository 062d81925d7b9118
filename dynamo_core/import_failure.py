"""What an exception during the import of a user's module means to its author: a line of theirs, and one sentence."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dynamo_core.errors import GraphLoadError, Location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_CORE: Final = Path(__file__).resolve().parent
_SITE: Final = tuple(Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib"))
_STDLIB: Final = tuple(Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib"))


def explain_failure(exc: BaseException, name: str, target: str) -> GraphLoadError:
    """Tell what went wrong, and where in the user's code.

    Args:
        exc: What importing raised.
        name: Name of the module.
        target: What messages call what is being loaded.
    """
    if isinstance(exc, SyntaxError) and exc.lineno is not None and _is_file(exc.filename):
        told = f"{type(exc).__name__}: {exc.msg}"
        return GraphLoadError(target, told, Location(str(exc.filename), max(1, exc.lineno)))
    place = find_place(exc.__traceback__)
    if isinstance(exc, ModuleNotFoundError) and place is None and exc.name is not None:
        return GraphLoadError(target, f"there is no module named {exc.name!r}{_hint(name, exc.name)}")
    if isinstance(exc, SystemExit):
        code = "" if exc.code is None else repr(exc.code)
        return GraphLoadError(target, f"importing it called sys.exit({code})", place)
    return GraphLoadError(target, f"{type(exc).__name__}: {_text_of(exc)}".removesuffix(": "), place)


def find_place(trace: TracebackType | None) -> Location | None:
    """The innermost line of a traceback that is the user's own; of an installed package, when there is none."""
    return _innermost(trace, _is_users) or _innermost(trace, _is_installed)


def _innermost(trace: TracebackType | None, accepts: Callable[[str], bool]) -> Location | None:
    found = None
    for frame, line in traceback.walk_tb(trace):
        if accepts(frame.f_code.co_filename):
            found = Location(frame.f_code.co_filename, line)
    return found


def _is_users(file: str) -> bool:
    return not file.startswith("<") and not any(
        Path(file).is_relative_to(folder) for folder in (_CORE, *_SITE, *_STDLIB)
    )


def _is_installed(file: str) -> bool:
    path = Path(file)
    return not path.is_relative_to(_CORE) and any(path.is_relative_to(folder) for folder in _SITE)


def _is_file(name: str | None) -> bool:
    return name is not None and not name.startswith("<")


def _text_of(exc: BaseException) -> str:
    try:
        return " ".join(str(exc).split())
    except Exception:  # noqa: BLE001  # its __str__ is the user's code as well
        return ""


def _hint(name: str, missing: str) -> str:
    parent, _, last = name.rpartition(".")
    module = sys.modules.get(parent)
    if missing == name and module is not None and hasattr(module, last):
        return f", did you mean '{parent}:{last}'?"
    return f"; looked in {', '.join(_looked_in())}"


def _looked_in() -> Iterator[str]:
    folders = [entry or "." for entry in sys.path]
    yield from folders[:2]
    if len(folders) > 2:
        yield "..."
