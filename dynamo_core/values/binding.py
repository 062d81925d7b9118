"""Binding the arguments of a call to parameter names: what is wrong, when something is."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.definition import ParameterDefinition

_MAX_UNKNOWN: Final = 100  # of a hostile request, which could name any number


def find_binding_problems(
    parameters: Sequence[ParameterDefinition], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, str]:
    """Say everything that keeps *args* and *kwargs* from being a call, by parameter name."""
    problems: dict[str, str] = {}
    positional = [parameter.name for parameter in parameters if not parameter.keyword_only]
    given = set(positional[: len(args)])
    for index in range(len(positional), len(args)):
        problems[f"argument {index + 1}"] = f"unexpected, takes {_count(len(positional))} by position"
    for name in kwargs:
        if name in given:
            problems[name] = "given by position and by name"
    problems.update(find_name_problems(parameters, {*given, *kwargs}))
    return problems


def find_name_problems(
    parameters: Sequence[ParameterDefinition], given: Mapping[str, object] | set[str]
) -> dict[str, str]:
    """Say which of the *given* names are unknown, and which names are missing."""
    names = [parameter.name for parameter in parameters]
    known = ", ".join(names) or "none"
    unknown = itertools.islice((name for name in given if name not in names), _MAX_UNKNOWN)
    problems = {str(name)[:80]: f"unknown parameter; known: {known}" for name in unknown}
    problems.update(
        (parameter.name, "missing")
        for parameter in parameters
        if parameter.is_required and parameter.name not in given
    )
    return problems


def _count(number: int) -> str:
    return "1 argument" if number == 1 else f"{number} arguments"
