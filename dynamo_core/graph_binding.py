"""Finds the service that an edge leads to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import attrs

from dynamo_core.errors import DynamoError
from dynamo_core.inspection import NO_SERVICE, has_api, is_abstract, is_service, service_name, short_name
from dynamo_core.inspection.interface import can_stand_for, find_misfits, is_derived
from dynamo_core.module_loading import find_attribute, import_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dynamo_core.definition import DependencyDefinition, ServiceDefinition
    from dynamo_core.inspection import Problems


@attrs.frozen(kw_only=True)
class Candidates:
    """Classes that come into question for the edges of one graph.

    Attributes:
        classes: What an edge to an abstract class may be bound to, in order.
        are_all: Whether edges may lead to no others, unless a binding says so.
    """

    classes: tuple[type, ...] = ()
    are_all: bool = False

    def admit(self, cls: type) -> bool:
        """Whether an edge may lead to *cls*."""
        return not self.are_all or cls in self.classes


ANY_CLASS: Final = Candidates()
"""Edges lead wherever they say; nothing is known that an abstract class could be bound to."""


class Binder:
    """Binds the edges of one graph.

    Args:
        define: Reads a class.
        bindings: Name of a service by name and attribute of the edge's owner; those that are about no edge are
            told by the configuration, which knows their place.
        candidates: What edges may be bound to.
        targets: What edges are bound to already, by owner and attribute.
        problems: Takes in the mistakes.
    """

    def __init__(
        self,
        *,
        define: Callable[[type], ServiceDefinition],
        bindings: Mapping[tuple[str, str], str],
        candidates: Candidates,
        targets: Mapping[tuple[type, str], type],
        problems: Problems,
    ) -> None:
        self._define = define
        self._bindings = dict(bindings)
        self._candidates = candidates
        self._targets = targets
        self._problems = problems
        self._refused: set[type] = set()
        self._near_misses: dict[type, str] = {}

    def bind(self, owner: ServiceDefinition, edge: DependencyDefinition) -> type | None:
        """The class that an edge leads to; None when it is left out, leads to an address, or has a mistake."""
        name = self._bindings.get((owner.name, edge.attribute))
        if edge.url is not None:
            self._check_address(owner, edge)
            return None
        if name is not None:
            return self._bind_by_name(owner, edge, name)
        if not is_abstract(edge.on) and not self._candidates.admit(edge.on):
            return None
        if not self._is_sound(owner, edge, edge.on):
            return None
        return self._bind_abstract(owner, edge) if is_abstract(edge.on) else edge.on

    def explain_unreached(self, cls: type) -> str:
        """Why no edge led to *cls*, one of the candidates."""
        return self._near_misses.get(cls, "none of the linked services depends on it")

    def _is_sound(self, owner: ServiceDefinition, edge: DependencyDefinition, cls: type) -> bool:
        """Whether *cls* can be depended on at all; a class that cannot is told once."""
        self._define(cls)
        if is_service(cls):
            return True
        if cls not in self._refused:
            self._refused.add(cls)
            self._problems.add(
                f"{_label(owner, edge)} depends on {short_name(cls)}, which is no service: {NO_SERVICE}",
                edge.location,
            )
        return False

    def _check_address(self, owner: ServiceDefinition, edge: DependencyDefinition) -> None:
        if self._is_sound(owner, edge, edge.on) and not has_api(edge.on):
            self._problems.add(
                f"{_label(owner, edge)} reaches {short_name(edge.on)} at an address, and none of its methods is "
                "marked with @api",
                edge.location,
            )

    def _bind_abstract(self, owner: ServiceDefinition, edge: DependencyDefinition) -> type | None:
        wanted = self._define(edge.on)
        fitting: list[type] = []
        misfits: list[str] = []
        for cls in self._candidates.classes:
            if is_abstract(cls) or not can_stand_for(cls, edge.on) or self._leads_to(cls, owner.inner):
                continue
            faults = find_misfits(self._define(cls), wanted)
            if not faults:
                fitting.append(cls)
                continue
            told = f"{short_name(cls)} cannot stand for {short_name(edge.on)}: {'; '.join(faults)}"
            if any(hasattr(cls, endpoint.attribute) for endpoint in wanted.endpoints.values()):
                self._near_misses[cls] = told
            if is_derived(cls, edge.on):
                misfits.append(told)
        fitting = [cls for cls in fitting if is_derived(cls, edge.on)] or fitting
        if len(fitting) == 1:
            return fitting[0]
        label = _label(owner, edge)
        if fitting:
            names = " and ".join(short_name(cls) for cls in fitting)
            advice = f"name one in the configuration: {_binding_example(owner, edge)}"
            if self._candidates.are_all:
                advice = f"name one: link(..., bindings={{({owner.name!r}, {edge.attribute!r}): ...}})"
            self._problems.add(
                f"{label} needs one {short_name(edge.on)}, and {names} implement it; {advice}", edge.location
            )
        elif misfits:
            self._problems.add(f"{label} cannot be bound: {'; '.join(misfits)}", edge.location)
        elif not self._candidates.are_all:
            self._problems.add(
                f"{label} depends on {short_name(edge.on)}, which is abstract and not bound to a service; "
                f"name one to link(), or in the configuration: {_binding_example(owner, edge)}"
                f"{self._misspelt(owner)}",
                edge.location,
            )
        return None

    def _misspelt(self, owner: ServiceDefinition) -> str:
        """A binding of *owner* that is about no edge: likely the one that was meant."""
        wrong = [name for service, name in self._bindings if service == owner.name]
        wrong = [repr(name) for name in wrong if name not in owner.dependencies]
        return f" (it binds {', '.join(wrong)}, which is no dependency of {owner.name})" if wrong else ""

    def _leads_to(self, cls: type, owner: type) -> bool:
        """Whether *cls* is *owner* or depends on it, so that binding one to the other would make a cycle."""
        seen: set[type] = set()
        waiting = [cls]
        while waiting:
            each = waiting.pop()
            if each is owner:
                return True
            if each not in seen and self._candidates.admit(each):
                seen.add(each)
                edges = self._define(each).dependencies.values()
                waiting += [
                    self._targets.get((each, edge.attribute), edge.on) for edge in edges if not edge.url
                ]
        return False

    def _bind_by_name(self, owner: ServiceDefinition, edge: DependencyDefinition, name: str) -> type | None:
        label = f"{_label(owner, edge)}, bound to {name!r},"
        try:
            cls = self._find_class(owner, edge, name)
        except LookupError as exc:
            self._problems.add(f"{label} leads nowhere: {exc}", edge.location)
            return None
        fault = self._find_fault(cls, edge.on)
        if fault is not None:
            self._problems.add(f"{label} cannot be: {fault}", edge.location)
            return None
        return cls

    def _find_fault(self, cls: type, wanted: type) -> str | None:
        """What keeps *cls* from being bound to an edge to *wanted*."""
        name = short_name(cls)
        if cls is wanted and not is_abstract(cls):
            return None if is_service(cls) else f"{name} is no service: {NO_SERVICE}"
        if not is_service(cls):
            return f"{name} is no service: {NO_SERVICE}"
        if is_abstract(cls):
            return f"{name} is abstract"
        if not can_stand_for(cls, wanted):
            return f"{name} is not derived from {short_name(wanted)}"
        faults = find_misfits(self._define(cls), self._define(wanted))
        return "; ".join(faults) or None

    def _find_class(self, owner: ServiceDefinition, edge: DependencyDefinition, name: str) -> type:
        """The class of the service called *name*, or of ``module:Class``.

        Raises:
            LookupError: There is none, or more than one.
        """
        if ":" in name:
            return _load(name)
        known = dict.fromkeys(
            cls for cls in self._places_to_look(owner, edge) if is_service(cls) and not is_abstract(cls)
        )
        found = [cls for cls in known if service_name(cls) == name]
        if not found:
            hint = _hint(name, [service_name(cls) for cls in known])
            raise LookupError(f"no service of that name is known{hint}; name it as 'module:Class'")
        near = [cls for cls in found if cls.__module__ == owner.inner.__module__]
        if len(found) > 1 and len(near) != 1:
            places = ", ".join(f"{cls.__module__}:{cls.__qualname__}" for cls in found)
            raise LookupError(f"several services have that name: {places}")
        return (near or found)[0]

    def _places_to_look(self, owner: ServiceDefinition, edge: DependencyDefinition) -> Iterator[type]:
        yield from self._candidates.classes
        for cls in (owner.inner, edge.on):
            names: Mapping[str, object] = vars(sys.modules.get(cls.__module__, object))
            yield from [value for value in names.values() if isinstance(value, type)]
        yield from _descendants(edge.on)


def _load(text: str) -> type:
    module, _, qualname = text.partition(":")
    try:
        found: Any = find_attribute(import_name(module, target=text), qualname, target=text)
    except DynamoError as exc:
        raise LookupError(str(exc)) from exc
    if not isinstance(found, type):
        raise LookupError(f"that is {type(found).__name__}, no class")  # noqa: TRY004  # a wrong name
    return found


def _descendants(cls: type) -> Iterator[type]:
    children: list[type] = type.__subclasses__(cls)
    for child in children:
        yield child
        yield from _descendants(child)


def _label(owner: ServiceDefinition, edge: DependencyDefinition) -> str:
    return f"{short_name(owner.inner)}.{edge.attribute}"


def _binding_example(owner: ServiceDefinition, edge: DependencyDefinition) -> str:
    return f"{owner.name}: {{ServiceArgs: {{bind: {{{edge.attribute}: ...}}}}}}"


def _hint(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    import difflib  # for mistakes only

    near = difflib.get_close_matches(name, list(known), 1)
    return f", did you mean {near[0]!r}?" if near else ""
