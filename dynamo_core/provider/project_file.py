"""What the nearest ``pyproject.toml`` says to this project, in its table ``[tool.dynamo]``."""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Final, NamedTuple

from dynamo_core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

PROJECT_FILE: Final = "pyproject.toml"

_KEYS: Final = ("allow", "provider")


class ProjectSettings(NamedTuple):
    """The table of one project.

    Attributes:
        path: The file.
        provider: The provider it asks for; None when it asks for none.
        allow: Which distributions may be loaded; None when it does not say.
    """

    path: Path
    provider: str | None = None
    allow: tuple[str, ...] | None = None

    @property
    def source(self) -> str:
        """What the table is called in messages."""
        return f"[tool.dynamo] of {self.path}"


def find_project_file(cwd: Path) -> Path | None:
    """The nearest ``pyproject.toml`` from *cwd* upwards."""
    folder = cwd.absolute()
    for parent in (folder, *folder.parents):
        path = parent / PROJECT_FILE
        if path.is_file():
            return path
    return None


def read_project_settings(path: Path) -> ProjectSettings:
    """``[tool.dynamo]`` of one ``pyproject.toml``.

    Raises:
        ConfigError: The file cannot be read, or has an unknown key or a value of the wrong type.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is not TOML: {exc}") from exc
    section = data.get("tool", {})
    section = section.get("dynamo", {}) if isinstance(section, dict) else {}
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: tool.dynamo must be a table, got {section!r}")
    unknown = [_unknown(path, key) for key in section if key not in _KEYS]
    if unknown:  # a misspelt allow list would allow everything
        raise ConfigError(*unknown)
    provider = section.get("provider")
    if provider is not None and not isinstance(provider, str):
        raise ConfigError(f"{path}: tool.dynamo.provider must be a text, got {provider!r}")
    allow = section.get("allow")
    if allow is not None and not (isinstance(allow, list) and all(isinstance(each, str) for each in allow)):
        raise ConfigError(f"{path}: tool.dynamo.allow must be a list of texts, got {allow!r}")
    return ProjectSettings(path, provider, None if allow is None else tuple(allow))


def _unknown(path: Path, key: str) -> str:
    nearest = difflib.get_close_matches(key, _KEYS, 1)
    hint = f", did you mean {nearest[0]!r}?" if nearest else f" (keys: {', '.join(_KEYS)})"
    return f"{path}: tool.dynamo has no key {key!r}{hint}"


def settings_of_project(cwd: Path) -> ProjectSettings | None:
    """The settings of the nearest project; None where there is none.

    Raises:
        ConfigError: Its file cannot be read, or a value is of the wrong type.
    """
    path = find_project_file(cwd)
    return None if path is None else read_project_settings(path)
