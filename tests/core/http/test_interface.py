"""Importing the package, with and without the extra."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from typing import Any

import pytest

from dynamo_core.config import HttpConfig
from dynamo_core.http import MissingExtraError, build_application, serve_http

from .serving_for_tests import DirectHost


def test_importing_the_package_imports_no_server() -> None:
    code = "import sys, dynamo_core.http; print(*({'starlette', 'uvicorn', 'httptools'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


async def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    host: Any = DirectHost()
    with pytest.raises(MissingExtraError, match=r"pip install 'dynamo-core\[http\]'") as caught:
        build_application(host, HttpConfig(), title="x")
    assert caught.value.missing == ("starlette",)
    application: Any = None
    with pytest.raises(MissingExtraError) as caught:
        await serve_http(application, [], HttpConfig(), stop=asyncio.Event(), grace_s=1)
    assert caught.value.missing == ("uvicorn", "httptools")
