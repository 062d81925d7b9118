"""What is known about each installed provider, for commands that show several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dynamo_core.errors import ProviderNotAllowedError
from dynamo_core.provider.grade import read_grade
from dynamo_core.provider.naming import is_provider_name
from dynamo_core.provider.selection import find_duplicates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.provider.discovery import ProviderCandidate
    from dynamo_core.provider.grade import Grade
    from dynamo_core.provider.selection import ExplanationRow, Selection

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


class State:
    """What is known about one candidate.

    Attributes:
        state: ``ok``, ``broken``, ``duplicate`` or ``not allowed``.
        cause: Why it is not ok; empty when it is.
        remedy: What to type; may be empty.
        is_checked: Whether it was imported to find out.
    """

    def __init__(self, state: str, cause: str = "", remedy: str = "", *, is_checked: bool = False) -> None:
        self.state = state
        self.cause = cause
        self.remedy = remedy
        self.is_checked = is_checked

    @property
    def told(self) -> str:
        """Cause and remedy in one line; empty when all is well."""
        return "; ".join(part for part in (self.cause, self.remedy) if part)

    def __str__(self) -> str:
        return f"{self.state}: {self.told}" if self.told else self.state


def find_states(selection: Selection, *, check: bool) -> dict[str, State]:
    """What is known about each candidate, by qualified name.

    Args:
        selection: Has the candidates.
        check: Whether to import each in a process of its own.
    """
    candidates = [row.candidate for row in selection.rows]
    duplicates = find_duplicates(candidates)
    states = {candidate.qualified_name: known_state(candidate, duplicates) for candidate in candidates}
    if check:
        from dynamo_core.provider.checking import check_providers  # starts processes

        sound = [candidate for candidate in candidates if candidate.problem is None]
        for candidate, fault in zip(sound, check_providers(sound), strict=True):
            state = states[candidate.qualified_name]
            state.is_checked = True
            if fault is not None:
                states[candidate.qualified_name] = State("broken", fault.cause, fault.remedy, is_checked=True)
    return states


def known_state(candidate: ProviderCandidate, duplicates: Mapping[str, Sequence[str]]) -> State:
    """What metadata alone tells."""
    if isinstance(candidate.problem, ProviderNotAllowedError):
        return State("not allowed", str(candidate.problem))
    if candidate.problem is not None:
        return State("broken", str(candidate.problem))
    if candidate.name in duplicates:
        others = [name for name in duplicates[candidate.name] if name != candidate.distribution]
        return State(
            "duplicate",
            f"claimed by {', '.join(others) or 'the same distribution'} too",
            f"uninstall one, or ask for {candidate.qualified_name!r}",
        )
    return State("ok")


def grade_of(candidate: ProviderCandidate) -> Grade | None:
    """The grade that it brings along; None when it has none, or no manifest that can be read."""
    return None if candidate.manifest is None else read_grade(candidate.manifest, candidate.version)


def shown_name(name: str) -> str:
    """A name as it is, or quoted when it is none, so that what hides in it shows."""
    return name if is_provider_name(name) else ascii(name)


def row_data(row: ExplanationRow, state: State) -> dict[str, object]:
    """One candidate as data that JSON can hold."""
    candidate, manifest = row.candidate, row.candidate.manifest
    grade = grade_of(candidate)
    return {
        "name": candidate.name,
        "distribution": candidate.distribution,
        "version": candidate.version,
        "value": candidate.value,
        "file": None if candidate.file is None else str(candidate.file),
        "summary": None if manifest is None else manifest.summary,
        "contract": None if manifest is None else manifest.contract.text,
        "maturity": None if manifest is None else manifest.maturity or None,
        "docs": None if manifest is None else manifest.docs or None,
        "capabilities": {}
        if manifest is None
        else {c.name: {"level": c.level, "reason": c.reason} for c in manifest.capabilities.values()},
        "options": None
        if manifest is None or manifest.options is None
        else {name: option.to_data() for name, option in manifest.options.items()},
        "notes": [] if manifest is None else list(manifest.notes),
        "grade": None if grade is None else grade.to_data(),
        "state": state.state,
        "cause": state.cause or None,
        "remedy": state.remedy or None,
        "checked": state.is_checked,
        "chosen": row.is_chosen,
    }
