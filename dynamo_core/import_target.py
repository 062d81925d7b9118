"""How another process imports a class: by its module's name, or by the path of its file."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from dynamo_core.errors import GraphLoadError, NotImportableError
from dynamo_core.module_loading import (
    find_attribute,
    import_file,
    import_name,
    is_found_by_name,
    path_of,
    place_of,
    was_loaded_by_path,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

_MAIN: Final = "__main__"
_MAIN_MODULES: Final = frozenset({_MAIN, "__mp_main__"})
"""Names of the main module: its own, and the one it has in processes that multiprocessing spawned."""
_GUARD: Final = "Name(id='__name__'"


@attrs.frozen
class ImportTarget:
    """How another process imports a class.

    Attributes:
        module: Name of its module; None when it is imported by path.
        path: Absolute path of its file; None when it is imported by name.
        qualname: Its name in the module, with dots where it is inside other classes.
    """

    module: str | None
    path: str | None
    qualname: str

    def __str__(self) -> str:
        return f"{self.path if self.module is None else self.module}:{self.qualname}"

    @classmethod
    def of(cls, target: type) -> Self:
        """Work out how *target* is imported; :attr:`problem` says whether it can be.

        A class of a script that is being run, and one of a module that its name does not lead to, are imported by
        path, and the script then has another name than ``__main__``.
        """
        name, qualname = target.__module__, target.__qualname__
        module = sys.modules.get(name)
        if module is None:
            return cls(name, None, qualname)
        if name in _MAIN_MODULES:
            if module.__spec__ is not None and module.__spec__.name not in _MAIN_MODULES:
                return cls(module.__spec__.name, None, qualname)  # python -m
            name = _MAIN
        elif is_found_by_name(module) and not was_loaded_by_path(module):
            return cls(name, None, qualname)
        path = path_of(module)
        return cls(name, None, qualname) if path is None else cls(None, str(path), qualname)

    @property
    def problem(self) -> str | None:
        """Why another process cannot import it; None when it can, as far as can be told from here."""
        if "<locals>" in self.qualname:
            return "it is defined inside a function"
        if self.module == _MAIN:
            return "it is defined in a notebook or an interactive session, which no other process can import"
        if self.module is None:
            return _problem_with_file(Path(self.path or ""), self.qualname.partition(".")[0])
        module = sys.modules.get(self.module)
        return None if module is None else self._problem_in(module)  # it may be known in other processes only

    def _problem_in(self, module: ModuleType) -> str | None:
        if not is_found_by_name(module):
            return f"its module {module.__name__!r} is known in this process only"
        try:
            find_attribute(module, self.qualname, target=str(self))
        except GraphLoadError:
            return f"module {module.__name__!r} has nothing of that name"
        return None

    def load(self) -> type:
        """Import the class.

        Raises:
            NotImportableError: It cannot be imported, and why.
            GraphLoadError: Its module cannot be imported, or has no class of that name.
            DeclarationError: A declaration in its module is wrong.
            GraphError: Its module links a graph that has mistakes.
        """
        problem = self.problem
        if problem is not None:
            raise NotImportableError(self.qualname, problem)
        target = str(self)
        if self.module is not None:
            module = import_name(self.module, target=target)
        else:
            assert self.path is not None, "otherwise there was a problem"
            module = import_file(Path(self.path), target=target)
        found = find_attribute(module, self.qualname, target=target)
        if not isinstance(found, type):
            raise GraphLoadError(
                target, f"{self.qualname} is {type(found).__name__}, no class", place_of(module)
            )
        return found

    def to_data(self) -> dict[str, Any]:
        """A mapping that JSON and msgpack can hold."""
        return attrs.asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`."""
        return cls(data["module"], data["path"], data["qualname"])


def _problem_with_file(path: Path, name: str) -> str | None:
    """Why the class called *name* cannot be had from a file."""
    if not path.is_file():
        return f"its file {str(path)!r} is not there"
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None  # loading it says more
    guarded = [part for part in tree.body if isinstance(part, ast.If) and _GUARD in ast.dump(part.test)]
    others = [part for part in tree.body if part not in guarded]
    if _defines(guarded, name) and not _defines(others, name):
        return "it is defined under 'if __name__ == \"__main__\":', which workers do not run"
    return None


def _defines(parts: list[ast.If] | list[ast.stmt], name: str) -> bool:
    nodes = (node for part in parts for node in ast.walk(part))
    return any(isinstance(node, ast.ClassDef) and node.name == name for node in nodes)
