"""From ``depends`` to an edge: the class that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynamo_core.definition import DependencyDefinition
from dynamo_core.inspection.members import Member, short_name

if TYPE_CHECKING:
    from dynamo_core.dependency import Dependency
    from dynamo_core.inspection.annotations import Scope
    from dynamo_core.inspection.problems import Problems


def read_dependency(
    member: Member, dependency: Dependency[object], scope: Scope, problems: Problems
) -> DependencyDefinition | None:
    """Work out one edge.

    Args:
        member: The attribute.
        dependency: What stands under it.
        scope: The names that the class of the attribute sees.
        problems: Takes in the mistakes.

    Returns:
        The edge, not bound yet; None when it leads to no class.
    """
    on = dependency.on
    if isinstance(on, str):
        try:
            on = _look_up(on, scope)
        except LookupError as exc:
            label = f"{short_name(member.owner)}.{member.attribute}"
            problems.add(f"{label} depends on {dependency.on!r}: {exc}", dependency.location)
            return None
    assert isinstance(on, type)
    return DependencyDefinition(
        attribute=member.attribute, on=on, location=dependency.location, url=dependency.url
    )


def _look_up(text: str, scope: Scope) -> type:
    """The class that *text* names in *scope*; dots lead into classes and modules.

    Raises:
        LookupError: There is none.
    """
    names = {**scope.module_names, **scope.inner_names}
    first, *rest = text.split(".")
    if first not in names:
        module = scope.module_names.get("__name__", "?")
        classes = [name for name, value in names.items() if isinstance(value, type)]
        import difflib  # for mistakes only

        near = difflib.get_close_matches(first, classes, 1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        raise LookupError(f"there is no {first!r} in module {module!r}{hint}")
    found = names[first]
    for step in rest:
        try:
            found = getattr(found, step)
        except AttributeError:
            raise LookupError(f"{found!r} has no {step!r}") from None
    if not isinstance(found, type):
        raise LookupError(f"that is {type(found).__name__}, no class")  # noqa: TRY004  # a wrong name
    return found
