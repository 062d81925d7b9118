"""The JSON Schema of a manifest, for editors that check TOML while it is written."""

from __future__ import annotations

from typing import Any, Final

from dynamo_core.provider.capabilities import CAPABILITIES, LEVEL_MEANINGS, LEVELS
from dynamo_core.provider.manifest import MATURITIES
from dynamo_core.provider.naming import NAME_PATTERN
from dynamo_core.provider.option_schema import OPTION_TYPES

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
CONTRACT_PATTERN: Final = (
    r"^\s*(>=|<=|==|>|<)\s*\d{1,6}(\.\d{1,6})?\s*(,\s*(>=|<=|==|>|<)\s*\d{1,6}(\.\d{1,6})?\s*)*$"
)
LINE_PATTERN: Final = r"^[^\n]*\S[^\n]*$"


def manifest_schema() -> dict[str, Any]:
    """The schema, as data that JSON can hold.

    It is stricter than reading is: what this dynamo-core passes over, an author wants to be told of.
    """
    return {
        "$schema": DIALECT,
        "title": "dynamo-provider.toml",
        "description": "What a provider says about itself, readable without importing it.",
        "type": "object",
        "required": ["name", "summary", "contract"],
        "additionalProperties": False,
        "properties": {
            "name": _text("The provider's name, the same as its entry point's.", f"^{NAME_PATTERN}$"),
            "summary": _text("One line for people.", LINE_PATTERN),
            "contract": _text("The contract versions it works with, such as '>=1.0,<2'.", CONTRACT_PATTERN),
            "maturity": {"description": "How far along it is.", "enum": list(MATURITIES)},
            "docs": _text("Address of its documentation.", LINE_PATTERN),
            "capabilities": _capabilities(),
            "options": {
                "description": "The provider's own options, by name.",
                "type": "object",
                "additionalProperties": {"$ref": "#/$defs/option"},
            },
        },
        "$defs": {"level": _level(), "capability": _capability(), "option": _option()},
    }


def _text(description: str, pattern: str) -> dict[str, Any]:
    return {"description": description, "type": "string", "pattern": pattern}


def _capabilities() -> dict[str, Any]:
    return {
        "description": "What the provider can do; a capability that is not mentioned counts as refused.",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"description": meaning, "$ref": "#/$defs/capability"}
            for name, meaning in CAPABILITIES.items()
        },
    }


def _level() -> dict[str, Any]:
    meanings = "; ".join(f"{level}: {meaning}" for level, meaning in LEVEL_MEANINGS.items())
    return {"description": meanings, "enum": list(LEVELS)}


def _capability() -> dict[str, Any]:
    return {
        "oneOf": [
            {"$ref": "#/$defs/level"},
            {
                "type": "object",
                "required": ["level"],
                "additionalProperties": False,
                "properties": {
                    "level": {"$ref": "#/$defs/level"},
                    "reason": {"description": "Why it goes no further.", "type": "string"},
                },
            },
        ]
    }


def _option() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "summary"],
        "additionalProperties": False,
        "properties": {
            "type": {"description": "What its values are.", "enum": list(OPTION_TYPES)},
            "summary": _text("One line for people.", LINE_PATTERN),
            "default": {
                "description": "What it is when nobody says; left out for an option that is off then."
            },
            "choices": {"description": "The values it may have.", "type": "array"},
        },
    }
