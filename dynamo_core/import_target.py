"""How another process imports a class: by its module's name, or by the path of a script."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from dynamo_core.errors import NotImportableError
from dynamo_core.module_loading import find_attribute, import_file, import_name, path_of_imported_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

MAIN_MODULES: Final = frozenset({"__main__", "__mp_main__"})


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
        """Work out how *target* is imported; :attr:`problem` says whether it can be."""
        name = target.__module__
        module = sys.modules.get(name)
        if name in MAIN_MODULES:
            return cls._of_main(target, module)
        path = None if module is None else path_of_imported_file(module)
        if path is not None:
            return cls(None, path, target.__qualname__)
        return cls(name, None, target.__qualname__)

    @classmethod
    def _of_main(cls, target: type, main: ModuleType | None) -> Self:
        spec = getattr(main, "__spec__", None)
        if spec is not None and spec.name not in MAIN_MODULES:  # python -m
            return cls(spec.name, None, target.__qualname__)
        file = getattr(main, "__file__", None)
        if file is None or not Path(file).is_file():
            return cls("__main__", None, target.__qualname__)
        return cls(None, str(Path(file).resolve()), target.__qualname__)

    @property
    def problem(self) -> str | None:
        """Why another process cannot import it; None when it can, as far as can be told from here."""
        if "<locals>" in self.qualname:
            return "it is defined inside a function"
        if self.module in MAIN_MODULES:
            return "it is defined in a notebook or an interactive session, which is no file"
        if self.module is None:
            return None if self.path is not None and Path(self.path).is_file() else f"{self.path} is no file"
        module = sys.modules.get(self.module)
        if module is None:
            return None if _is_found(self.module) else f"there is no module named {self.module!r}"
        return None

    def load(self) -> type:
        """Import the class.

        Raises:
            NotImportableError: It cannot be imported, and why.
            GraphLoadError: Its module cannot be imported, or has no class of that name.
        """
        problem = self.problem
        if problem is not None:
            raise NotImportableError(self.qualname, problem)
        if self.module is not None:
            module = import_name(self.module, target=str(self))
        else:
            assert self.path is not None
            module = import_file(Path(self.path), target=str(self))
        found = find_attribute(module, self.qualname, target=str(self))
        if not isinstance(found, type):
            raise NotImportableError(self.qualname, f"{self} is {type(found).__name__}, no class")
        return found

    def to_data(self) -> dict[str, Any]:
        """A mapping that JSON and msgpack can hold."""
        return attrs.asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_data`."""
        return cls(data["module"], data["path"], data["qualname"])


def _is_found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False
