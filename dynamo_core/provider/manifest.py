"""``dynamo-provider.toml``: what a provider says about itself, readable without importing it.

The file lies beside the ``__init__.py`` of the package that the entry point names, or of a package around it.
The package is found the way an import would find it, but nothing of it is run: the finders on ``sys.meta_path``
are asked for the top-level package only, and below that the file system is looked at.
"""

from __future__ import annotations

import difflib
import importlib.machinery
import importlib.util
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from dynamo_core.provider.capabilities import CAPABILITIES, LEVELS, Capability, parse_level
from dynamo_core.provider.contract import ContractRange
from dynamo_core.provider.option_schema import OptionSchema, read_option_schemas

MANIFEST_FILE: Final = "dynamo-provider.toml"
MATURITIES: Final = ("experimental", "beta", "stable")
LARGEST_MANIFEST_BYTES: Final = 64 * 1024

_IDENTIFIER: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_VALUE: Final = re.compile(
    rf"(?P<module>{_IDENTIFIER}(?:\.{_IDENTIFIER})*)"
    rf"(?:\s*:\s*(?P<attribute>{_IDENTIFIER}(?:\.{_IDENTIFIER})*)\s*(?:\[[^\]]*\])?)?"
)
_FIELDS: Final = ("name", "summary", "contract", "maturity", "docs", "capabilities", "options")


class Manifest(NamedTuple):
    """The content of one ``dynamo-provider.toml``.

    Attributes:
        name: The provider's name, the same as its entry point's.
        summary: One line for people.
        contract: The contract versions it works with.
        capabilities: By name, those of the table only.
        notes: What this dynamo-core did not understand and passed over, and levels that have no reason.
        path: The file.
        maturity: One of :data:`MATURITIES`; empty where it is not stated.
        docs: Address of its documentation; empty where there is none.
        options: The provider's own options, by name; None where the manifest does not speak of them.
    """

    name: str
    summary: str
    contract: ContractRange
    capabilities: Mapping[str, Capability]
    notes: tuple[str, ...]
    path: Path
    maturity: str = ""
    docs: str = ""
    options: Mapping[str, OptionSchema] | None = None

    def capability(self, name: str) -> Capability:
        """What is stated of one capability; one that is not mentioned is refused."""
        stated = self.capabilities.get(name)
        return stated if stated is not None else Capability(name, "refused", "not stated in its manifest")


def split_value(value: str, *, may_be_module: bool = False) -> tuple[str, str]:
    """Module and attribute of an entry point's value.

    Args:
        value: ``package.module:Class``.
        may_be_module: Whether ``package.module`` will do too; the attribute is an empty text then.

    Raises:
        ValueError: The value is of another form.
    """
    found = _VALUE.fullmatch(value.strip())
    if found is None or not (found["attribute"] or may_be_module):
        raise ValueError(f"its entry point must be 'package:Class', got {value!r}")
    return found["module"], found["attribute"] or ""


def package_folders(module: str) -> list[Path]:
    """Folders of the packages on the way to *module*, innermost first, found without running any of them.

    Raises:
        LookupError: The module cannot be found, or is no package and in none.
    """
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)  # a top-level name: nothing is imported to find it
    except Exception as exc:  # finders on sys.meta_path are other people's code
        raise LookupError(f"module {top!r} cannot be looked up: {type(exc).__name__}: {exc}") from exc
    if spec is None:
        raise LookupError(f"module {top!r} is not on the import path")
    folders: list[Path] = []
    walked = top
    for name in (*rest, None):
        if spec.submodule_search_locations is None:
            if name is not None:
                raise LookupError(f"module {module!r} does not exist: {walked!r} is no package")
            break
        locations = [str(location) for location in spec.submodule_search_locations]
        folders[:0] = [Path(location) for location in locations]
        if name is None:
            break
        walked = f"{walked}.{name}"
        inner = importlib.machinery.PathFinder.find_spec(
            walked, locations
        )  # given a path, it imports nothing
        if inner is None:
            raise LookupError(f"module {walked!r} does not exist")
        spec = inner
    if not folders:
        raise LookupError(f"module {module!r} is no package, so that no {MANIFEST_FILE} can lie beside it")
    return folders


def find_manifest(module: str) -> Path:
    """The manifest that belongs to *module*.

    Raises:
        LookupError: The module or its manifest cannot be found.
    """
    folders = package_folders(module)
    for folder in folders:
        path = folder / MANIFEST_FILE
        if path.is_file():
            return path
    raise LookupError(f"it has no {MANIFEST_FILE} beside the __init__.py of {module!r}")


def read_manifest(path: Path) -> Manifest:
    """Read and check one manifest.

    Raises:
        ValueError: The file cannot be read, or says something wrong; names every mistake.
    """
    try:
        if path.stat().st_size > LARGEST_MANIFEST_BYTES:
            raise ValueError(f"{path} is longer than {LARGEST_MANIFEST_BYTES} bytes")
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ValueError(f"{path} is not TOML: {exc}") from exc
    mistakes: list[str] = []
    notes = [_unknown("field", name, _FIELDS) for name in data if name not in _FIELDS]
    name = _text(data, "name", mistakes)
    summary = _text(data, "summary", mistakes)
    contract_text = _text(data, "contract", mistakes)
    contract = ContractRange("", ())
    if contract_text:
        try:
            contract = ContractRange.parse(contract_text)
        except ValueError as exc:
            mistakes.append(str(exc))
    capabilities = _read_capabilities(data.get("capabilities", {}), mistakes, notes)
    maturity = _maturity(data, mistakes)
    docs = _text(data, "docs", mistakes) if "docs" in data else ""
    options = read_option_schemas(data["options"], mistakes, notes) if "options" in data else None
    if mistakes:
        raise ValueError(f"{path}: {'; '.join(mistakes)}")
    return Manifest(name, summary, contract, capabilities, tuple(notes), path, maturity, docs, options)


def _maturity(data: Mapping[str, object], mistakes: list[str]) -> str:
    stated = data.get("maturity", "")
    if stated and stated not in MATURITIES:
        mistakes.append(f"maturity must be one of {', '.join(MATURITIES)}, got {stated!r}")
    return stated if isinstance(stated, str) else ""


def _text(data: Mapping[str, object], field: str, mistakes: list[str]) -> str:
    value = data.get(field)
    if isinstance(value, str) and value.strip() and "\n" not in value:
        return value
    found = f"got {value!r}" if field in data else "it is missing"
    mistakes.append(f"{field} must be a text of one line, {found}")
    return ""


def _read_capabilities(data: object, mistakes: list[str], notes: list[str]) -> dict[str, Capability]:
    if not isinstance(data, Mapping):
        mistakes.append(f"capabilities must be a table, got {data!r}")
        return {}
    found: dict[str, Capability] = {}
    for name, stated in data.items():
        fields = stated if isinstance(stated, Mapping) else {"level": stated}
        level = parse_level(fields.get("level"))
        reason = fields.get("reason", "")
        if level is None:
            mistakes.append(
                f"capabilities.{name} must be one of {', '.join(LEVELS)}, got {fields.get('level')!r}"
            )
        elif not isinstance(reason, str):
            mistakes.append(f"capabilities.{name}.reason must be a text, got {reason!r}")
        elif name not in CAPABILITIES:  # a provider may know more than this core
            notes.append(_unknown("capability", name, CAPABILITIES))
        else:
            found[name] = Capability(name, level, reason)
            if level != "native" and not reason.strip():
                notes.append(f"capability {name!r} is {level}, and no reason is given")
    return found


def _unknown(what: str, name: str, known: Mapping[str, str] | Sequence[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), 1)
    hint = f", did you mean {nearest[0]!r}?" if nearest else ""
    return f"unknown {what} {name!r}{hint}"
