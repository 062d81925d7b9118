"""What the files of a provider are, as hashes, so that a change shows; nothing is imported for it."""

from __future__ import annotations

import base64
import hashlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import importlib_metadata

from dynamo_core.provider.manifest import package_folders, split_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ALGORITHM: Final = "sha256"

_NEVER: Final = ("__pycache__",)
_OF_INSTALLERS: Final = (
    "RECORD",
    "INSTALLER",
    "REQUESTED",
    "direct_url.json",
    "uv_cache.json",
    "uv_build.json",
)


class Fingerprint(NamedTuple):
    """The files of one distribution.

    Attributes:
        digest: One hash over all of them; empty where no file is known.
        files: How many they are.
        changed: Those that are missing, or are not what was installed.
    """

    digest: str
    files: int
    changed: tuple[str, ...] = ()


def hash_package(folder: Path, *, without: str = "") -> dict[str, str]:
    """Hashes of all files of a package, by path within it; bytecode and hidden files do not count.

    Args:
        folder: The package's folder.
        without: Path within it of one file that does not count either.
    """
    found: dict[str, str] = {}
    for path in sorted(_walk(folder)):
        name = path.relative_to(folder).as_posix()
        if name != without:
            found[name] = hash_file(path)
    return found


def hash_file(path: Path) -> str:
    """The hash of one file, as hexadecimal text.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, ALGORITHM).hexdigest()


def hash_distribution(name: str, value: str = "") -> Fingerprint:
    """The fingerprint of an installed distribution.

    Files outside of the folder of installed packages are left out, because installers write the environment's own
    path into programs. An editable installation has no recorded package, so the package itself is hashed.

    Args:
        name: Name of the distribution.
        value: An entry point's value, which leads to its package where that is not recorded.
    """
    hashes: dict[str, str] = {}
    changed: list[str] = []
    for file in _recorded(name):
        path = str(file)
        try:
            hashes[path] = hash_file(file.locate())
        except OSError:
            changed.append(path)
            continue
        if (
            file.hash is not None
            and file.hash.mode == ALGORITHM
            and _hexadecimal(file.hash.value) != hashes[path]
        ):
            changed.append(path)
    if value and not _is_recorded(value, hashes):
        hashes |= _editable(value)
    return Fingerprint(_digest(hashes), len(hashes), tuple(changed))


def _digest(hashes: Mapping[str, str]) -> str:
    if not hashes:
        return ""
    lines = "".join(f"{path}\0{digest}\n" for path, digest in sorted(hashes.items()))
    return f"{ALGORITHM}:{hashlib.sha256(lines.encode()).hexdigest()}"


def _recorded(name: str) -> list[Any]:
    try:
        files = importlib_metadata.distribution(name).files or []
    except importlib_metadata.PackageNotFoundError:
        return []
    return [file for file in files if _counts(PurePosixPath(str(file)))]


def _counts(path: PurePosixPath) -> bool:
    is_inside = not path.is_absolute() and path.parts[0] != ".."
    return is_inside and path.name not in _OF_INSTALLERS and path.suffix not in {".pyc", ".pth"}


def _is_recorded(value: str, hashes: Mapping[str, str]) -> bool:
    """Whether the module that an entry point names is among the recorded files."""
    try:
        top = split_value(value, may_be_module=True)[0].partition(".")[0]
    except ValueError:
        return True  # it leads nowhere
    return any(path.startswith(f"{top}/") or path == f"{top}.py" for path in hashes)


def _editable(value: str) -> dict[str, str]:
    try:
        folders = package_folders(split_value(value, may_be_module=True)[0])
    except (LookupError, ValueError):
        return {}
    outermost = folders[-1]
    return {f"{outermost.name}/{path}": digest for path, digest in hash_package(outermost).items()}


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name in _NEVER or path.suffix == ".pyc":
            continue
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file():
            yield path


def _hexadecimal(recorded: str) -> str:
    """A recorded hash, which is URL-safe base64 without padding, as hexadecimal text."""
    padded = recorded + "=" * (-len(recorded) % 4)
    return base64.urlsafe_b64decode(padded).hex()
