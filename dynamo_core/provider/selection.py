"""Which provider is used, and why.

The order: what the command line or the program asks for, ``DYNAMO_PROVIDER``, ``[tool.dynamo] provider`` in the
nearest ``pyproject.toml``, the default where it is installed, the only other one installed, and at last the one in
core itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dynamo_core import environment
from dynamo_core.errors import (
    AmbiguousProviderError,
    ConfigError,
    DuplicateProviderError,
    DynamoError,
    ProviderNotAllowedError,
    ProviderNotFoundError,
)
from dynamo_core.provider.allowing import EVERYTHING, AllowList, find_allow_list
from dynamo_core.provider.discovery import PROVIDERS_GROUP, ProviderCandidate, discover_providers
from dynamo_core.provider.naming import (
    DEFAULT_PROVIDER,
    IN_PROCESS,
    NAME_PATTERN,
    ProviderRequest,
    is_provider_name,
    normalize_distribution,
    parse_request,
)
from dynamo_core.provider.project_file import settings_of_project

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SOURCE_DEFAULT: Final = "the default"
SOURCE_ONLY_ONE: Final = "the only one installed"
SOURCE_NOTHING_ELSE: Final = "nothing else is installed"


class ExplanationRow(NamedTuple):
    """One candidate, and what became of it.

    Attributes:
        candidate: The candidate.
        is_chosen: Whether it is the one.
        reason: Why it is, or is not.
    """

    candidate: ProviderCandidate
    is_chosen: bool
    reason: str


class Selection(NamedTuple):
    """The outcome of a choice.

    Attributes:
        candidate: The chosen one; None when none could be chosen.
        source: What decided.
        rows: Every candidate, in the order of discovery.
        problem: Why none could be chosen, or why the chosen one cannot be used; None when all is well.
    """

    candidate: ProviderCandidate | None
    source: str
    rows: tuple[ExplanationRow, ...]
    problem: DynamoError | None = None

    @property
    def notice(self) -> str | None:
        """What the user should be told in one line, if anything."""
        if self.candidate is None or self.source != SOURCE_NOTHING_ELSE:
            return None
        left_out = [row.candidate.name for row in self.rows if not _is_allowed(row.candidate)]
        what, remedy = "no provider is installed", "for supervised processes: pip install dynamo-circus"
        if left_out:
            what, remedy = (
                f"the allow list leaves out {', '.join(left_out)}",
                "'dynamo providers explain' says more",
            )
        return f"{what}: {self.candidate.name!r} runs everything in this one process; {remedy}"


class _Choice(NamedTuple):
    """A request and where it came from; a request of None means that nothing was asked for."""

    request: ProviderRequest | None
    source: str


def select_provider(
    explicit: str | None = None,
    *,
    environ: Mapping[str, str],
    cwd: Path,
    explicit_source: str = "--provider",
    candidates: Sequence[ProviderCandidate] | None = None,
) -> Selection:
    """Choose the provider to use, without importing any.

    Args:
        explicit: ``name`` or ``distribution:name`` that was asked for directly; None when nothing was.
        environ: The environment.
        cwd: Where the search for ``pyproject.toml`` begins.
        explicit_source: What *explicit* is called in messages.
        candidates: Installed providers; None looks for them.

    Raises:
        ProviderNotFoundError: What was asked for is not installed, or nothing is.
        InvalidProviderNameError: What was asked for can be no provider's name.
        DuplicateProviderError: Two distributions claim the name.
        AmbiguousProviderError: Several are installed and nothing says which.
        ManifestError: The chosen one's manifest is missing or wrong.
        ContractMismatchError: The chosen one was made for another contract.
        ProviderNotAllowedError: The one that was asked for is not on the allow list.
        ConfigError: ``pyproject.toml`` cannot be read, or an allow list is wrong.
    """
    selection = explain_selection(
        explicit, environ=environ, cwd=cwd, explicit_source=explicit_source, candidates=candidates
    )
    if selection.problem is not None:
        raise selection.problem
    return selection


def explain_selection(
    explicit: str | None = None,
    *,
    environ: Mapping[str, str],
    cwd: Path,
    explicit_source: str = "--provider",
    candidates: Sequence[ProviderCandidate] | None = None,
) -> Selection:
    """Like :func:`select_provider`, with every failure as ``problem`` of what is returned."""
    found = discover_providers() if candidates is None else list(candidates)
    source = explicit_source
    try:
        found = _mark_allowed(found, find_allow_list(environ, cwd))
        choice = _find_request(explicit, explicit_source, environ, cwd)
        source = choice.source
        if choice.request is None:
            chosen, source = _choose_unasked(found)
        else:
            chosen = _choose_asked(choice.request, choice.source, found)
    except ConfigError as exc:  # nobody can tell what may be loaded
        unknown = "nothing is chosen while the settings are wrong"
        return Selection(None, "", tuple(ExplanationRow(each, False, unknown) for each in found), exc)
    except DynamoError as exc:
        source = getattr(exc, "source", source)
        return Selection(None, source, _explain(None, source, found), exc)
    return Selection(chosen, source, _explain(chosen, source, found), chosen.problem)


def _mark_allowed(candidates: Sequence[ProviderCandidate], allowed: AllowList) -> list[ProviderCandidate]:
    """Give a problem to each candidate that may not be loaded."""
    if allowed is EVERYTHING:
        return list(candidates)
    return [
        candidate
        if allowed.allows(PROVIDERS_GROUP, candidate.distribution)
        else candidate._replace(
            problem=ProviderNotAllowedError(
                candidate.name,
                distribution=candidate.distribution,
                source=allowed.source,
                entry=allowed.entry_for(PROVIDERS_GROUP, candidate.distribution),
            )
        )
        for candidate in candidates
    ]


def _find_request(
    explicit: str | None, explicit_source: str, environ: Mapping[str, str], cwd: Path
) -> _Choice:
    if explicit is not None:
        return _Choice(parse_request(explicit, source=explicit_source), explicit_source)
    from_environment = environ.get(environment.PROVIDER)
    if from_environment:  # set and empty counts as not set, as everywhere in a shell
        source = environment.PROVIDER
        return _Choice(parse_request(from_environment, source=source), source)
    project = settings_of_project(cwd)
    if project is not None and project.provider is not None:
        return _Choice(parse_request(project.provider, source=project.source), project.source)
    return _Choice(None, "")


def _choose_asked(
    request: ProviderRequest, source: str, candidates: Sequence[ProviderCandidate]
) -> ProviderCandidate:
    named = [candidate for candidate in candidates if candidate.name == request.name]
    if request.distribution is not None:
        named = [c for c in named if normalize_distribution(c.distribution) == request.distribution]
    named = [candidate for candidate in named if _is_allowed(candidate)] or named[:1]
    if not named:
        asked = request.name if request.distribution is None else f"{request.distribution}:{request.name}"
        installed = sorted({c.name for c in candidates if is_provider_name(c.name)})
        raise ProviderNotFoundError(asked, source=source, installed=installed)
    return _only(named)


def _choose_unasked(candidates: Sequence[ProviderCandidate]) -> tuple[ProviderCandidate, str]:
    usable = [each for each in candidates if is_provider_name(each.name) and _is_allowed(each)]
    defaults = [candidate for candidate in usable if candidate.name == DEFAULT_PROVIDER]
    if defaults:
        return _only(defaults), SOURCE_DEFAULT
    others = [candidate for candidate in usable if candidate.name != IN_PROCESS]
    names = sorted({candidate.name for candidate in others})
    if len(names) > 1:
        raise AmbiguousProviderError(names)
    if others:
        return _only(others), SOURCE_ONLY_ONE
    in_core = [candidate for candidate in usable if candidate.name == IN_PROCESS]
    if not in_core:
        raise ProviderNotFoundError(DEFAULT_PROVIDER, source=SOURCE_DEFAULT, installed=())
    return _only(in_core), SOURCE_NOTHING_ELSE


def _is_allowed(candidate: ProviderCandidate) -> bool:
    return not isinstance(candidate.problem, ProviderNotAllowedError)


def _only(named: Sequence[ProviderCandidate]) -> ProviderCandidate:
    if len(named) > 1:
        raise DuplicateProviderError(named[0].name, [candidate.distribution for candidate in named])
    return named[0]


def find_duplicates(candidates: Sequence[ProviderCandidate]) -> Mapping[str, tuple[str, ...]]:
    """Distributions by provider name, for every name that more than one claims and may be loaded."""
    owners: dict[str, list[str]] = {}
    for candidate in filter(_is_allowed, candidates):
        owners.setdefault(candidate.name, []).append(candidate.distribution)
    return {name: tuple(sorted(found)) for name, found in owners.items() if len(found) > 1}


def _explain(
    chosen: ProviderCandidate | None, source: str, candidates: Sequence[ProviderCandidate]
) -> tuple[ExplanationRow, ...]:
    duplicates = find_duplicates(candidates)
    return tuple(
        ExplanationRow(candidate, candidate is chosen, _reason(candidate, chosen, source, duplicates))
        for candidate in candidates
    )


def _reason(
    candidate: ProviderCandidate,
    chosen: ProviderCandidate | None,
    source: str,
    duplicates: Mapping[str, tuple[str, ...]],
) -> str:
    if candidate is chosen:
        return f"chosen: {source}"
    never = _reason_of_never(candidate)
    if never:
        return never
    if chosen is None:
        return _reason_of_none(candidate, source, duplicates)
    if chosen.name == candidate.name:
        return f"{chosen.qualified_name!r} was asked for ({source})"
    if candidate.name == IN_PROCESS and source in {SOURCE_DEFAULT, SOURCE_ONLY_ONE}:
        return "counts only when it is named, or when nothing else is installed"
    reason = f"{chosen.name!r} was asked for ({source})"
    if source == SOURCE_DEFAULT:
        reason = f"{chosen.name!r} is the default; name this one with --provider or {environment.PROVIDER}"
    return reason


def _reason_of_never(candidate: ProviderCandidate) -> str:
    """Why it cannot be chosen, whatever is asked for; empty when it can."""
    if not is_provider_name(candidate.name):
        return f"can never be chosen: its name does not fit {NAME_PATTERN}"
    if isinstance(candidate.problem, ProviderNotAllowedError):
        return f"not on the allow list (from {candidate.problem.source})"
    return ""


def _reason_of_none(
    candidate: ProviderCandidate, source: str, duplicates: Mapping[str, tuple[str, ...]]
) -> str:
    if source:
        what = f"what was asked for ({source}) could not be chosen"
    elif candidate.name == IN_PROCESS:
        return "counts only when it is named, or when nothing else is installed"
    else:
        what = f"nothing says which one to use; name it with --provider or {environment.PROVIDER}"
    if candidate.name not in duplicates:
        return what
    others = ", ".join(d for d in duplicates[candidate.name] if d != candidate.distribution)
    return f"claimed by {others or 'its distribution twice'} too; ask for {candidate.qualified_name!r}"
