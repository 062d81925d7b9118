"""What callers may say to this provider beyond what every provider understands."""

from __future__ import annotations

import attrs
from attrs.validators import instance_of, optional


@attrs.frozen(kw_only=True)
class InProcessOptions:
    """Options of ``run_services`` and ``serve_services``.

    Attributes:
        http: Whether services with ``@api`` endpoints listen for HTTP.
            None listens, but lets ``run_services`` do without where the libraries of the extra ``http`` are missing.
    """

    http: bool | None = attrs.field(default=None, validator=optional(instance_of(bool)))
