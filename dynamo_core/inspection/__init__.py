"""Reads what the decorators marked, and makes definitions of it."""

from dynamo_core.inspection.members import short_name
from dynamo_core.inspection.problems import Problems
from dynamo_core.inspection.service import (
    NO_SERVICE,
    define_service,
    has_api,
    inspect_service,
    is_abstract,
    is_service,
    service_name,
)

__all__ = [
    "NO_SERVICE",
    "Problems",
    "define_service",
    "has_api",
    "inspect_service",
    "is_abstract",
    "is_service",
    "service_name",
    "short_name",
]
