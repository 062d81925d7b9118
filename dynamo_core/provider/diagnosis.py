"""What is wrong with what is installed, and the command that mends it; found from metadata alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dynamo_core.errors import ContractMismatchError, ManifestError, ProviderNotAllowedError
from dynamo_core.provider.discovery import EXTENSIONS_GROUP, discover_extensions
from dynamo_core.provider.grade import read_grade
from dynamo_core.provider.importing import mend_command
from dynamo_core.provider.selection import find_duplicates

if TYPE_CHECKING:
    from dynamo_core.provider.allowing import AllowList
    from dynamo_core.provider.discovery import ProviderCandidate

PIP: Final = "python -m pip"


class Complaint(NamedTuple):
    """One thing that is wrong, or will surprise somebody.

    Attributes:
        kind: ``collision``, ``duplicate``, ``requirement``, ``contract``, ``manifest``, ``name``, ``not-allowed``
            or ``stale-grade``.
        subject: What it is about.
        what: What is wrong.
        command: What to type to mend it.
        is_error: Whether something does not work until it is mended.
    """

    kind: str
    subject: str
    what: str
    command: str
    is_error: bool = True

    def to_data(self) -> dict[str, object]:
        """The complaint as data that JSON can hold."""
        return self._asdict()


def diagnose(candidates: Sequence[ProviderCandidate], allowed: AllowList) -> list[Complaint]:
    """Everything that is wrong with installed providers and extensions; nothing is imported.

    Args:
        candidates: Installed providers, as a selection has them.
        allowed: The allow list in force.
    """
    extensions = discover_extensions()
    named = [*(each.distribution for each in candidates), *(each.distribution for each in extensions)]
    distributions = sorted({"dynamo-core", *named})
    found = [complaint for candidate in candidates for complaint in _of_candidate(candidate)]
    found += _of_duplicates(candidates)
    for extension in extensions:
        if not allowed.allows(EXTENSIONS_GROUP, extension.distribution):
            what = f"its extension {extension.name!r} is left out: it is not on the allow list"
            found.append(_left_out(extension.distribution, f"{what} (from {allowed.source})"))
    installed = _Installed()
    found += [complaint for name in distributions for complaint in _of_requirements(name, installed)]
    found += _of_collisions(distributions, installed)
    return sorted(found, key=lambda complaint: (not complaint.is_error, complaint))


def _of_candidate(candidate: ProviderCandidate) -> Iterator[Complaint]:
    problem = candidate.problem
    subject = f"{candidate.distribution}: provider {candidate.name!r}"
    if isinstance(problem, ContractMismatchError):
        command = f"{PIP} install --upgrade {problem.upgrade}"
        yield Complaint("contract", subject, str(problem), command)
    elif isinstance(problem, ProviderNotAllowedError):
        yield _left_out(candidate.distribution, str(problem))
    elif problem is not None:
        kind = "manifest" if isinstance(problem, ManifestError) else "name"
        yield Complaint(kind, subject, str(problem), plain_command(candidate.distribution))
    elif candidate.manifest is not None:
        grade = read_grade(candidate.manifest, candidate.version)
        if grade is not None and grade.stale:
            what = f"its grade {grade.grade} is stale: {'; '.join(grade.stale)}"
            command = f"dynamo providers test {candidate.name} --record"
            yield Complaint("stale-grade", subject, what, command, is_error=False)


def _of_duplicates(candidates: Sequence[ProviderCandidate]) -> Iterator[Complaint]:
    for name, owners in find_duplicates(candidates).items():
        what = f"it is claimed by {', '.join(owners)}; each must be asked for as DISTRIBUTION:{name}"
        yield Complaint("duplicate", f"provider {name!r}", what, f"{PIP} uninstall {owners[-1]}")


def _left_out(distribution: str, what: str) -> Complaint:
    return Complaint("not-allowed", distribution, what, f"{PIP} uninstall {distribution}", is_error=False)


def plain_command(distribution: str) -> str:
    """What to type when a distribution does not work, and nothing else."""
    return mend_command(distribution).removeprefix("mend it with ").strip("'")


class _Installed:
    """Distributions by normalised name, as the import path has them first."""

    def __init__(self) -> None:
        self.by_name: dict[str, Any] = {}
        for distribution in importlib_metadata.distributions():
            try:
                name = canonicalize_name(distribution.metadata["Name"])
            except Exception:  # noqa: BLE001, S112  # broken metadata of others is not ours to judge
                continue
            self.by_name.setdefault(name, distribution)

    def needed_by(self, name: str) -> set[str]:
        """Names of everything that a distribution needs, itself included, as far as it is installed."""
        found: set[str] = set()
        waiting = [canonicalize_name(name)]
        while waiting:
            current = waiting.pop()
            if current not in found and current in self.by_name:
                found.add(current)
                waiting += [canonicalize_name(each.name) for each in _requirements(self.by_name[current])]
        return found


def _requirements(distribution: Any, extras: Sequence[str] = ("",)) -> list[Requirement]:
    found = []
    for text in distribution.requires or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            found.append(requirement)
    return found


def _of_requirements(name: str, installed: _Installed) -> Iterator[Complaint]:
    distribution = installed.by_name.get(canonicalize_name(name))
    for requirement in () if distribution is None else _requirements(distribution):
        wanted = f"{requirement.name}{requirement.specifier}"
        found = installed.by_name.get(canonicalize_name(requirement.name))
        command = f"{PIP} install '{wanted}'"
        if found is None:
            yield Complaint("requirement", name, f"it needs {wanted}, which is not installed", command)
        elif not requirement.specifier.contains(found.version, prereleases=True):
            what = f"it needs {wanted}, installed is {found.version}"
            yield Complaint("requirement", name, what, command)
        else:
            yield from _of_extras(name, requirement, found, installed)


def _of_extras(name: str, requirement: Requirement, found: Any, installed: _Installed) -> Iterator[Complaint]:
    """What is missing of the extras that a requirement names."""
    if not requirement.extras:
        return
    always = {str(each) for each in _requirements(found)}
    for each in _requirements(found, sorted(requirement.extras)):
        if str(each) not in always and canonicalize_name(each.name) not in installed.by_name:
            extras = ",".join(sorted(requirement.extras))
            what = f"it needs {requirement.name}[{extras}], of which {each.name} is not installed"
            yield Complaint("requirement", name, what, f"{PIP} install '{requirement.name}[{extras}]'")


def _of_collisions(names: Sequence[str], installed: _Installed) -> Iterator[Complaint]:
    """Modules that two distributions have both installed, so that the later one has overwritten the earlier."""
    needed = {each for name in names for each in installed.needed_by(name)}
    owners: dict[str, dict[str, str]] = {}
    for name, distribution in installed.by_name.items():
        for file in distribution.files or ():
            path = PurePosixPath(str(file))
            if path.suffix == ".py" and path.parts[0] != ".." and len(path.parts) <= 2:
                recorded = "" if file.hash is None else file.hash.value
                owners.setdefault(str(path), {})[name] = recorded
    told: set[tuple[str, ...]] = set()
    for where, hashes in sorted(owners.items()):
        pair = tuple(sorted(hashes))
        if len(pair) > 1 and pair not in told and needed & hashes.keys() and len(set(hashes.values())) > 1:
            told.add(pair)
            yield _collision(where, pair, needed)


def _collision(path: str, owners: tuple[str, ...], needed: set[str]) -> Complaint:
    module = path.partition("/")[0].removesuffix(".py")
    what = f"{' and '.join(owners)} install the same module; whichever came last is what is imported"
    wanted = [name for name in owners if name in needed]
    surplus = [name for name in owners if name not in needed]
    if surplus:
        command = (
            f"{PIP} uninstall {' '.join(surplus)} && {PIP} install --force-reinstall --no-deps {wanted[0]}"
        )
    else:  # each is needed by something: only environments of their own keep both as they are
        command = f"python -m venv ANOTHER, and install there what needs {owners[-1]}"
    return Complaint("collision", f"module {module!r}", what, command, is_error=bool(surplus))
