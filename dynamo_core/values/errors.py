"""Errors of values that are more than a wrong value of one call."""

from __future__ import annotations

from dynamo_core.errors import DynamoError, InvalidRequestError


class UnusableAnnotationError(DynamoError):
    """An endpoint's annotation describes something that cannot travel.

    The graph reports it with the place of the endpoint.

    Attributes:
        parameter: Name of the parameter; ``result`` for the return annotation.
        message: What is wrong with it.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"{parameter}: {message}")
        self.parameter = parameter
        self.message = message


class MalformedRequestError(InvalidRequestError):
    """The body of a request is not JSON at all, so that no parameter could be read."""


class ReadError(ValueError):
    """One value could not be read; becomes a problem of its parameter.

    Attributes:
        is_malformed: The text is not JSON, as opposed to JSON of another shape.
        faults: Field and what is wrong with it, for each, where several fields of a model do not fit.
    """

    def __init__(self, message: str, *, is_malformed: bool = False, faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.is_malformed = is_malformed
        self.faults = faults
