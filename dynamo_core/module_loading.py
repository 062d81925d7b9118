"""Import the modules of users, by name or by path.

A file is imported under its own name when that leads to it, and otherwise under one that nothing else has; never as
``__main__``, so that what a script does only as the main program is not done.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import re
import sys
import threading
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.errors import DeclarationError, DynamoError, GraphError, GraphLoadError, Location
from dynamo_core.import_failure import explain_failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_PREFIX: Final = "_dynamo_main_"
_NAME: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_loading = threading.RLock()
_loaded_files: set[Path] = set()
_target: ContextVar[str | None] = ContextVar("target", default=None)


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
        raise GraphLoadError(target, f"{name!r} is neither the name of a module nor the path of a .py file")
    with _explained(name, target):
        return importlib.import_module(name)


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
        raise GraphLoadError(target, f"{str(path)!r} is {'a folder' if path.is_dir() else 'no file'}")
    file = path.resolve()
    put_first(file.parent)
    importlib.invalidate_caches()
    with _explained(file.stem, target):
        module = importlib.import_module(file.stem) if _leads_to(file.stem, file) else _import_alias(file)
    _loaded_files.add(file)
    return module


def put_first(folder: Path) -> None:
    """Make *folder* the first on the import path."""
    entry = str(folder)
    if sys.path[:1] != [entry]:
        sys.path[:] = [entry, *(other for other in sys.path if other != entry)]


def was_loaded_by_path(module: ModuleType) -> bool:
    """Whether :func:`import_file` gave *module*; in another process its name may lead elsewhere."""
    return path_of(module) in _loaded_files


def is_found_by_name(module: ModuleType) -> bool:
    """Whether another process with the same import path finds *module* by its name.

    Not so for one that has a name of its own, or was made by hand.
    """
    try:
        spec = _search(module.__name__)
    except Exception:  # noqa: BLE001  # finders are anybody's code
        return False
    if spec is None or not spec.has_location or spec.origin == getattr(module, "__file__", None):
        return spec is not None
    return spec.origin is not None and Path(spec.origin).resolve() == path_of(module)


def path_of(module: ModuleType) -> Path | None:
    """Absolute path of a module's file, links followed; None when it has none on this disk."""
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if isinstance(file, str) and Path(file).is_file() else None


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
            where = (
                f"module {module.__name__!r}" if found is module else repr(getattr(found, "__name__", found))
            )
            names = list(getattr(found, "__dict__", {}))
            import difflib  # for mistakes only

            near = difflib.get_close_matches(step, names, 1)
            hint = f", did you mean {near[0]!r}?" if near else ""
            raise GraphLoadError(target, f"{where} has no {step!r}{hint}", place_of(module)) from None
    return found


def place_of(module: ModuleType) -> Location | None:
    """The first line of a module; None when it has no file."""
    file = getattr(module, "__file__", None)
    return None if file is None else Location(file, 1)


def refuse_while_importing(what: str) -> None:
    """Make sure that *what* is not done by a module while it is imported as the target of a graph.

    Otherwise a script that starts a run without ``if __name__ == "__main__":`` would do so again in each worker.

    Raises:
        DynamoError: It is.
    """
    target = _target.get()
    if target is not None:
        raise DynamoError(
            f"{what} was called while {target} was being imported; "
            "what a script does as the main program belongs under 'if __name__ == \"__main__\":'"
        )


@contextlib.contextmanager
def _explained(name: str, target: str) -> Iterator[None]:
    """Tell whatever the module raises with its place in the user's code."""
    token = _target.set(target)
    try:
        yield
    except (KeyboardInterrupt, DeclarationError, GraphError, GraphLoadError):
        raise  # the errors tell their place already
    except BaseException as exc:  # the user's code ran: anything may come, SystemExit too
        raise explain_failure(exc, name, target) from exc
    finally:
        _target.reset(token)


def _leads_to(name: str, file: Path) -> bool:
    """Whether importing *name* gives the module of *file*."""
    if not name.isidentifier() or name.startswith("__"):
        return False
    known = sys.modules.get(name)
    if known is not None:
        origin = getattr(known, "__file__", None)
    else:
        spec = _search(name)
        origin = None if spec is None else spec.origin
    return origin is not None and Path(origin).resolve() == file


def _search(name: str) -> importlib.machinery.ModuleSpec | None:
    """Look for a module as an import would that finds nothing in ``sys.modules``, but for its packages."""
    parent = name.rpartition(".")[0]
    folders = None
    if parent:
        package = sys.modules.get(parent)
        folders = getattr(package, "__path__", None)
        if folders is None:
            return None
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = None if find is None else find(name, folders, None)
        if spec is not None:
            found: importlib.machinery.ModuleSpec = spec
            return found
    return None


def _import_alias(file: Path) -> ModuleType:
    """Import *file* under a name that no other module has."""
    with _loading:
        name = _PREFIX + re.sub(r"\W", "_", file.stem)
        known = sys.modules.get(name)
        if known is not None and known.__file__ != str(file):
            import hashlib  # seldom needed

            name = f"{name}_{hashlib.blake2b(str(file).encode(), digest_size=6).hexdigest()}"
            known = sys.modules.get(name)
        if known is not None:
            return known
        loader = importlib.machinery.SourceFileLoader(name, str(file))
        spec = importlib.util.spec_from_file_location(name, file, loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except BaseException:
            sys.modules.pop(name, None)
            raise
        return module
