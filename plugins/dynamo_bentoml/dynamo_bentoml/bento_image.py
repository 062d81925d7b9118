"""A service's ``image`` configuration as a BentoML image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import bentoml

from dynamo_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_core.config import Settings

_FIELDS: Final = ("base_image", "distro", "python_version", "lock_python_packages", "pack_git_packages")
_LISTS: Final = ("system_packages", "python_packages", "requirements_files", "run")


def make_image(config: Settings, packed: Sequence[str] = ()) -> bentoml.images.Image | None:
    """The image that *config* describes; None when it describes none, and nothing is packed.

    Its keys are those of ``bentoml.images.Image`` (base_image, distro, python_version, lock_python_packages,
    pack_git_packages), and lists for its methods: system_packages, python_packages, requirements_files and run,
    done in this order.

    Args:
        config: A service's ``image``.
        packed: Folders that it needs before it installs packages.

    Raises:
        ConfigError: A key is unknown, or a value is refused.
    """
    given = dict(config)
    if not given and not packed:
        return None
    unknown = [key for key in given if key not in {*_FIELDS, *_LISTS}]
    if unknown:
        known = ", ".join((*_FIELDS, *_LISTS))
        raise ConfigError(*(f"image has no key {key!r} for BentoML (keys: {known})" for key in unknown))
    try:
        fields: dict[str, Any] = {"lock_python_packages": False}
        fields.update({key: given[key] for key in _FIELDS if key in given})
        if "python_version" in fields:
            fields["python_version"] = config.text("python_version")
        image = bentoml.images.Image(**fields)
        if packages := _texts(given, "system_packages"):
            image.system_packages(*packages)
        if packages := _texts(given, "python_packages"):
            image.python_packages(*packages)
        for path in _texts(given, "requirements_files"):
            image.requirements_file(path)
        if packed:
            image.build_include(*packed)
        for command in _texts(given, "run"):
            image.run(command)
    except (bentoml.exceptions.BentoMLException, TypeError, ValueError, OSError) as exc:
        raise ConfigError(f"image cannot be used by BentoML: {exc}") from exc
    return image


def _texts(given: dict[str, Any], key: str) -> list[str]:
    value = given.get(key, [])
    if isinstance(value, str):
        value = [value]
    return [str(each) for each in value]
