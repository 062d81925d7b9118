"""Make the project of a new provider."""

from __future__ import annotations

import re
import string
from importlib import resources
from typing import TYPE_CHECKING, Final

import attrs

from dynamo_core._version import __version__
from dynamo_core.errors import ConfigError
from dynamo_core.provider.contract import CONTRACT_VERSION, format_version
from dynamo_core.provider.naming import NAME_PATTERN, is_provider_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path

TEMPLATE: Final = "template"
SUFFIX: Final = ".in"
"""Ending of every file of the template, so that no tool takes one for what it will be."""


class Marked(string.Template):
    """A template whose placeholders are ``%name%``-like, since ``$`` means something in shells and workflows."""

    delimiter = "%"


@attrs.frozen(kw_only=True)
class NewProvider:
    """What a new provider is called.

    Attributes:
        name: The provider's name.
        distribution: Name of its distribution.
        package: Name of its package.
    """

    name: str
    distribution: str
    package: str

    @classmethod
    def named(cls, name: str) -> NewProvider:
        """The usual names for a provider of that name.

        Raises:
            ConfigError: It can be no provider's name.
        """
        if not is_provider_name(name) or name.endswith(("-", "_")):
            raise ConfigError(
                f"a provider's name must fit {NAME_PATTERN} and end in a letter or digit, got {name!r}"
            )
        plain = re.sub(r"[-_]+", "_", name)
        made = cls(name=name, distribution=f"dynamo-{plain.replace('_', '-')}", package=f"dynamo_{plain}")
        if made.package == __package__.partition(".")[0]:
            raise ConfigError(
                f"a provider cannot be named {name!r}: its package would be {made.package!r} itself"
            )
        return made

    @property
    def values(self) -> Mapping[str, str]:
        """What the template's placeholders stand for."""
        stem = "".join(word.capitalize() for word in self.package.removeprefix("dynamo_").split("_"))
        major, minor = __version__.split(".")[:2]
        return {
            "name": self.name,
            "distribution": self.distribution,
            "package": self.package,
            "Stem": stem,
            "core": f">={major}.{minor},<{major}.{int(minor) + 1}",
            "contract": f">={format_version(CONTRACT_VERSION)},<{CONTRACT_VERSION[0] + 1}",
        }


def make_project(new: NewProvider, folder: Path) -> list[Path]:
    """Write every file of the project.

    Args:
        new: What it is called.
        folder: The project's folder; made, and refused when something is in it.

    Returns:
        The files, in the order of their names.

    Raises:
        ConfigError: The folder is not empty, or cannot be written.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty; name another folder with --into")
        written = []
        for name, text in _files(new):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            written.append(path)
    except OSError as exc:
        raise ConfigError(f"{folder} cannot be written: {exc.strerror}") from exc
    return sorted(written)


def _files(new: NewProvider) -> Iterator[tuple[str, str]]:
    """Names and contents; a part of a name that is ``package`` stands for the package's own."""
    for names, file in _walk(resources.files(__package__) / TEMPLATE, ()):
        parts = [new.package if part == "package" else part for part in names]
        path = "/".join(parts).removesuffix(SUFFIX)
        yield path, Marked(file.read_text("utf-8")).substitute(new.values)


def _walk(folder: Traversable, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _walk(entry, (*names, entry.name))
        elif entry.name.endswith(SUFFIX):
            yield (*names, entry.name), entry
