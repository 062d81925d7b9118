"""Import the modules of users, by name or by path, and say where in their code it failed.

A file is imported as the module of its name when that leads to this file, and otherwise under a name of its own; never
as ``__main__``, so that what a script does only as the main program is not done.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import re
import sys
import sysconfig
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.errors import DeclarationError, GraphError, GraphLoadError, Location

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType, TracebackType

ALIAS_PREFIX: Final = "_dynamo_main_"
_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_loading = threading.RLock()


def import_name(name: str, *, target: str) -> ModuleType:
    """Import a module by its name.

    Args:
        name: Its name, with dots.
        target: What messages call what is being loaded.

    Raises:
        GraphLoadError: There is no such module, or it raised.
        DeclarationError: A declaration in it is wrong.
        GraphError: It links a graph that has mistakes.
    """
    if _NAME.fullmatch(name) is None:
        raise GraphLoadError(target, f"{name!r} is no name of a module, and no file ends with it")
    return _run(lambda: importlib.import_module(name), name, target)


def import_file(path: Path, *, target: str) -> ModuleType:
    """Import a file; its folder comes first on the import path, as when it is run.

    The same file gives the same module every time.

    Args:
        path: The file.
        target: What messages call what is being loaded.

    Raises:
        GraphLoadError: There is no such file, or it raised.
        DeclarationError: A declaration in it is wrong.
        GraphError: It links a graph that has mistakes.
    """
    if not path.is_file():
        raise GraphLoadError(target, f"there is {'a folder' if path.is_dir() else 'no file'} {str(path)!r}")
    file = path.resolve()
    put_first(file.parent)
    importlib.invalidate_caches()
    if _leads_to(file.stem, file):
        return import_name(file.stem, target=target)
    return _run(lambda: _import_alias(file), file.stem, target)


def put_first(folder: Path) -> None:
    """Make *folder* the first on the import path."""
    entry = str(folder)
    if sys.path[:1] != [entry]:
        sys.path[:] = [entry, *(other for other in sys.path if other != entry)]


def path_of_imported_file(module: ModuleType) -> str | None:
    """The path of a module that only its path leads to; None for one that its name leads to."""
    if module.__name__.startswith(ALIAS_PREFIX):
        return getattr(module, "__file__", None)
    return None


def find_attribute(module: ModuleType, qualname: str, *, target: str) -> Any:
    """What *module* has under *qualname*, with dots into classes.

    Raises:
        GraphLoadError: There is nothing; the message has the nearest name.
    """
    found: Any = module
    for step in qualname.split("."):
        try:
            found = getattr(found, step)
        except AttributeError:
            where = module.__name__ if found is module else f"{module.__name__}:{found.__qualname__}"
            names = [name for name, value in vars(found).items() if isinstance(value, type)]
            near = difflib.get_close_matches(step, [*names, *vars(found)], 1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            place = getattr(module, "__file__", None)
            raise GraphLoadError(
                target, f"{where} has no {step!r}{hint}", None if place is None else Location(place, 1)
            ) from None
    return found


def _leads_to(name: str, file: Path) -> bool:
    """Whether importing *name* gives the module of *file*."""
    if _NAME.fullmatch(name) is None:
        return False
    known = sys.modules.get(name)
    if known is not None:
        origin = getattr(known, "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            return False
        origin = None if spec is None else spec.origin
    return origin is not None and Path(origin).resolve() == file


def _import_alias(file: Path) -> ModuleType:
    """Import *file* under a name that no other module has."""
    with _loading:
        name = ALIAS_PREFIX + re.sub(r"\W", "_", file.stem)
        known = sys.modules.get(name)
        if known is not None and known.__file__ != str(file):
            name += "_" + hashlib.blake2b(str(file).encode(), digest_size=6).hexdigest()
            known = sys.modules.get(name)
        if known is not None:
            return known
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file} is not written in Python: its name does not end in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return sys.modules.get(name, module)


# --- errors -----------------------------------------------------------------------------------------------


def _run(load: Callable[[], ModuleType], name: str, target: str) -> ModuleType:
    """Call *load*; whatever the module raises is told with its place in the user's code."""
    try:
        return load()
    except KeyboardInterrupt:
        raise
    except (DeclarationError, GraphError, GraphLoadError):
        raise  # they tell their place already
    except BaseException as exc:  # the user's code ran: anything may come, SystemExit too
        raise _explain(exc, name, target) from exc


def _explain(exc: BaseException, name: str, target: str) -> GraphLoadError:
    if isinstance(exc, SyntaxError) and exc.filename is not None and exc.lineno is not None:
        return GraphLoadError(target, f"{type(exc).__name__}: {exc.msg}", Location(exc.filename, exc.lineno))
    place = _find_place(exc.__traceback__)
    if isinstance(exc, ModuleNotFoundError) and place is None and exc.name is not None:
        return GraphLoadError(target, f"there is no module named {exc.name!r}{_hint(name, exc.name)}")
    if isinstance(exc, SystemExit):
        return GraphLoadError(target, f"importing it called sys.exit({_code(exc)})", place)
    told = " ".join(str(exc).split())
    return GraphLoadError(target, f"{type(exc).__name__}: {told}".rstrip(": "), place)


def _code(exc: SystemExit) -> str:
    return "" if exc.code is None else repr(exc.code)


def _hint(name: str, missing: str) -> str:
    parent, _, last = name.rpartition(".")
    if parent and missing == name and last in vars(sys.modules.get(parent, threading)):
        return f", did you mean '{parent}:{last}'?"
    path = Path(*name.split(".")).with_suffix(".py")
    return f", did you mean {str(path)!r}?" if path.is_file() else f" (looked in {_shown_path()})"


def _shown_path() -> str:
    folders = [entry or "." for entry in sys.path]
    return ", ".join(folders[:2]) + (", ..." if len(folders) > 2 else "")


def _find_place(trace: TracebackType | None) -> Location | None:
    """The innermost line of a traceback that is the user's own."""
    frames: Sequence[tuple[str, int]] = [
        (frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(trace)
    ]
    for file, line in reversed(frames):
        if _is_users(file):
            return Location(file, line)
    return None


def _is_users(file: str) -> bool:
    if file.startswith("<"):
        return False
    return not any(Path(file).is_relative_to(folder) for folder in _FOREIGN)


_FOREIGN: Final = (
    Path(__file__).resolve().parent,
    *{Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib", "purelib", "platlib")},
)
