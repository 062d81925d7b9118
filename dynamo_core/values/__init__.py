"""Values on their way between services: what can be sent, how it is checked, how it is typed again."""

from dynamo_core.values.codec import EndpointCodec
from dynamo_core.values.errors import MalformedRequestError, UnusableAnnotationError
from dynamo_core.values.schema import SchemaBook

__all__ = [
    "EndpointCodec",
    "MalformedRequestError",
    "SchemaBook",
    "UnusableAnnotationError",
]
