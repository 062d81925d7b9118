"""What is asked of a provider that builds what it runs into something that can be shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@attrs.frozen(kw_only=True)
class BuildRequest:
    """What is to be built.

    Attributes:
        target: The graph, as it is named where *context* is the current folder.
        bindings: Services that stand for abstract ones, by name and attribute of the edge's owner.
        context: Folder with everything that the graph's classes need.
        name: Name of what is built; None leaves it to the provider.
        version: Its version; None leaves it to the provider.
        packages: Requirements of the graph beside those that its configuration names.
        wheels: Wheels that are packed and installed, for what no index has.
    """

    target: str
    bindings: Mapping[tuple[str, str], str] = attrs.field(factory=dict)
    context: Path
    name: str | None = None
    version: str | None = None
    packages: tuple[str, ...] = ()
    wheels: tuple[Path, ...] = ()


@attrs.frozen(kw_only=True)
class BuiltArtifact:
    """What was built.

    Attributes:
        name: How it is named where it is used.
        path: Where it is.
        next_steps: Commands that use it.
    """

    name: str
    path: Path
    next_steps: tuple[str, ...] = ()

    def to_data(self) -> dict[str, object]:
        """The record as data that JSON can hold."""
        return {"name": self.name, "path": str(self.path), "next_steps": list(self.next_steps)}
