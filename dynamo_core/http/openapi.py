"""The OpenAPI 3.1 document of one service's ``@api`` endpoints."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from dynamo_core.http.problems import title_of
from dynamo_core.http.streams import StreamForms
from dynamo_core.values import SchemaBook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynamo_core.host import HostedEndpoint

Document = dict[str, Any]  # JSON

_PROBLEM_REF: Final = {"$ref": "#/components/schemas/Problem"}
_SCHEMA_PREFIX: Final = "#/components/schemas/"
_OCTETS: Final = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_FAILURES: Final = (400, 413, 415, 422, 500, 503, 504)

PROBLEM_SCHEMA: Final[Document] = {
    "type": "object",
    "title": "Problem",
    "description": "An RFC 9457 problem document.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "kind": {"type": "string", "description": "Class of the error a caller of the endpoint would meet."},
        "service": {"type": "string"},
        "endpoint": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Every bad parameter.",
            "items": {
                "type": "object",
                "required": ["parameter", "detail"],
                "properties": {"parameter": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "reference": {"type": "string", "description": "Where the log has the reason."},
    },
}


def describe_api(
    service: str,
    endpoints: Sequence[HostedEndpoint],
    *,
    title: str,
    version: str,
    other: Mapping[str, Any] | None = None,
) -> Document:
    """Describe *endpoints*, all of which have a route.

    Args:
        service: Name of the service; becomes the tag.
        endpoints: In declaration order.
        title: Name of the API.
        version: Its version.
        other: OpenAPI document of the caller's own application, to be merged in.
    """
    book = SchemaBook()
    paths: dict[str, Document] = {}
    for hosted in endpoints:
        api = hosted.definition.api
        assert api is not None
        paths.setdefault(api.path, {})[api.method.lower()] = _describe_operation(service, hosted, book)
    schemas = {**book.components, "Problem": PROBLEM_SCHEMA}
    document: Document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
        "tags": [{"name": service}],
    }
    if other is not None:
        _merge(document, other)
    return document


def _describe_operation(service: str, hosted: HostedEndpoint, book: SchemaBook) -> Document:
    definition = hosted.definition
    assert definition.api is not None
    summary, _, description = inspect.cleandoc(definition.doc).partition("\n")
    operation: Document = {"operationId": definition.name, "tags": [service]}
    if summary:
        operation["summary"] = summary.strip()
    if description.strip():
        operation["description"] = description.strip()
    if definition.api.method in {"GET", "DELETE"}:
        operation["parameters"] = _describe_query(hosted, book)
    else:
        operation["requestBody"] = _describe_body(hosted, book)
    operation["responses"] = {
        "200": _describe_result(hosted, book),
        **{str(status): _describe_problem(status) for status in _FAILURES},
    }
    if hosted.is_stream:
        operation["x-dynamo-stream"] = True
    return operation


def _describe_query(hosted: HostedEndpoint, book: SchemaBook) -> list[Document]:
    schemas = hosted.codec.parameter_schemas(book)
    return [
        {"name": each.name, "in": "query", "required": each.is_required, "schema": schemas[each.name]}
        for each in hosted.definition.parameters
    ]


def _describe_body(hosted: HostedEndpoint, book: SchemaBook) -> Document:
    is_required = any(each.is_required for each in hosted.definition.parameters)
    if hosted.codec.takes_bytes_as_body:
        return {"required": is_required, "content": _OCTETS}
    return {
        "required": is_required,
        "content": {"application/json": {"schema": hosted.codec.body_schema(book)}},
    }


def _describe_result(hosted: HostedEndpoint, book: SchemaBook) -> Document:
    schema = hosted.codec.result_schema(book)
    if not hosted.is_stream:
        is_bytes = hosted.codec.gives_bytes
        return {
            "description": "The result",
            "content": _OCTETS if is_bytes else {"application/json": {"schema": schema}},
        }
    forms = StreamForms(hosted).offered
    return {
        "description": "A stream of items, in the form that the header 'accept' asks for",
        "content": {form: {"schema": {"type": "string"}, "itemSchema": schema} for form in forms},
    }


def _describe_problem(status: int) -> Document:
    return {
        "description": title_of(status),
        "content": {"application/problem+json": {"schema": _PROBLEM_REF}},
    }


def _merge(document: Document, other: Mapping[str, Any]) -> None:
    """Add the paths and schemas of *other*; schemas of a taken name are renamed."""
    schemas = document["components"]["schemas"]
    found: Mapping[str, Any] = other.get("components", {}).get("schemas", {})
    renamed = {
        _SCHEMA_PREFIX + name: f"{_SCHEMA_PREFIX}{name}_app"
        for name, schema in found.items()
        if schemas.get(name, schema) != schema
    }
    for name, schema in found.items():
        place = renamed.get(_SCHEMA_PREFIX + name, _SCHEMA_PREFIX + name).removeprefix(_SCHEMA_PREFIX)
        schemas[place] = _rename(schema, renamed)
    for path, operations in other.get("paths", {}).items():
        own = document["paths"].setdefault(path, {})
        for method, operation in operations.items():
            own.setdefault(method, _rename(operation, renamed))
    for section, values in other.get("components", {}).items():
        if section != "schemas":
            document["components"][section] = values


def _rename(part: Any, renamed: Mapping[str, str]) -> Any:  # JSON
    if isinstance(part, dict):
        return {
            key: renamed.get(value, value) if key == "$ref" else _rename(value, renamed)
            for key, value in part.items()
        }
    if isinstance(part, list):
        return [_rename(item, renamed) for item in part]
    return part
