"""The pydantic model that is sent."""

from pydantic import BaseModel


class Prompt(BaseModel):
    """What a backend is asked."""

    prompt: str
    max_tokens: int
    stop: list[str]
