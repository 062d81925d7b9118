"""Pydantic models; a module of its own, since pydantic need not be installed."""

from __future__ import annotations

import pydantic

from dynamo_core import endpoint, service


class Review(pydantic.BaseModel):
    """A model with rules of its own."""

    title: str = pydantic.Field(min_length=1)
    stars: int = pydantic.Field(ge=1, le=5)


@service
class PydanticValues:
    """Takes and gives a pydantic model."""

    @endpoint
    async def improve(self, review: Review) -> Review:
        """One star more."""
        if type(review) is not Review:
            raise TypeError(f"wanted Review, got {type(review).__name__}")
        return review.model_copy(update={"stars": min(5, review.stars + 1)})
