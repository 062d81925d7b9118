"""What a manifest says about a provider's own options, so that they can be shown without importing it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

OPTION_TYPES: Final = MappingProxyType(
    {
        "string": (str,),
        "integer": (int,),
        "number": (float, int),
        "boolean": (bool,),
        "array": (list,),
        "object": (dict,),
    }
)
"""Names of types, as JSON Schema has them, and what a default of each is in TOML."""

_FIELDS: Final = ("type", "default", "summary", "choices")


class OptionSchema(NamedTuple):
    """One option, as the manifest states it.

    Attributes:
        name: Its name.
        type: A name of :data:`OPTION_TYPES`.
        summary: One line for people.
        default: What it is when nobody says; None for an option that is off then.
        choices: The values it may have; empty for any of its type.
    """

    name: str
    type: str
    summary: str
    default: Any = None
    choices: tuple[Any, ...] = ()

    def to_data(self) -> dict[str, object]:
        """The option as data that JSON can hold."""
        return {
            "type": self.type,
            "default": self.default,
            "summary": self.summary,
            "choices": list(self.choices),
        }


def read_option_schemas(data: object, mistakes: list[str], notes: list[str]) -> dict[str, OptionSchema]:
    """Read the table ``options`` of a manifest.

    Args:
        data: The table.
        mistakes: Takes what is wrong.
        notes: Takes what is not understood, and passed over.
    """
    if not isinstance(data, Mapping):
        mistakes.append(f"options must be a table, got {data!r}")
        return {}
    found: dict[str, OptionSchema] = {}
    for name, stated in data.items():
        if not isinstance(stated, Mapping):
            mistakes.append(f"options.{name} must be a table with 'type' and 'summary', got {stated!r}")
            continue
        notes += [_unknown(name, field) for field in stated if field not in _FIELDS]
        wrong = _find_mistakes(name, stated)
        mistakes += wrong
        if not wrong:
            choices = tuple(stated.get("choices", ()))
            found[name] = OptionSchema(
                name, stated["type"], stated["summary"], stated.get("default"), choices
            )
    return found


def is_of_type(value: object, type_name: str) -> bool:
    """Whether *value* is one of the type of that name; ``True`` is no number."""
    if isinstance(value, bool):
        return type_name == "boolean"
    return isinstance(value, OPTION_TYPES[type_name])


def _find_mistakes(name: str, stated: Mapping[str, Any]) -> list[str]:
    type_name = stated.get("type")
    if not isinstance(type_name, str) or type_name not in OPTION_TYPES:
        return [f"options.{name}.type must be one of {', '.join(OPTION_TYPES)}, got {type_name!r}"]
    wrong = []
    summary = stated.get("summary")
    if not isinstance(summary, str) or not summary.strip() or "\n" in summary:
        wrong.append(f"options.{name}.summary must be a text of one line, got {summary!r}")
    if "default" in stated and not is_of_type(stated["default"], type_name):
        wrong.append(f"options.{name}.default must be of type {type_name}, got {stated['default']!r}")
    choices = stated.get("choices", [])
    if not isinstance(choices, Sequence) or isinstance(choices, str):
        wrong.append(f"options.{name}.choices must be an array, got {choices!r}")
    elif not all(is_of_type(choice, type_name) for choice in choices):
        wrong.append(f"options.{name}.choices must be of type {type_name}, got {choices!r}")
    return wrong


def _unknown(option: str, field: str) -> str:
    nearest = difflib.get_close_matches(field, _FIELDS, 1)
    hint = f", did you mean {nearest[0]!r}?" if nearest else ""
    return f"unknown field {field!r} of option {option!r}{hint}"
