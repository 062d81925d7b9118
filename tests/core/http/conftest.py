"""Looking at problem documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx


@pytest.fixture(name="problem_of")
def problem_of_fixture() -> Callable[[httpx.Response, int], dict[str, Any]]:
    """Check that a response is a problem document of a status, and give it."""

    def problem_of(response: httpx.Response, status: int) -> dict[str, Any]:
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        document: dict[str, Any] = response.json()
        assert document["status"] == status
        assert document["type"] == "about:blank"
        assert document["title"]
        assert document["detail"]
        return document

    return problem_of
