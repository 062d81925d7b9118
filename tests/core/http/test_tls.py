"""Serving with TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

import httpx
import pytest

from dynamo_core.config import HttpConfig
from dynamo_core.errors import ConfigError
from dynamo_core.http import serve_http

from .serving_for_tests import build, eventually, serving, statuses

if TYPE_CHECKING:
    from pathlib import Path

# for localhost, of nobody, valid for a hundred years; protects nothing
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIURcnCu4lQ7j9QkAAQEtQpjRNoSHkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNDEwNTU0M1oYDzIxMjYxMDMx
MTA1NTQzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQtx2nb73P3EDvvahPmVv5BpvhvSitkdAEhgmCfx5r3eg+ywZR+c4/j
xgXkqBbW+GCs19XFsDHVZOduLWnQKcbRo28wbTAdBgNVHQ4EFgQU4t5EKW0H3Au0
++c25KznfpCynQAwHwYDVR0jBBgwFoAU4t5EKW0H3Au0++c25KznfpCynQAwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSQAwRgIhAIKtz1hIKCQT7/vXgdjg+Z1rAGZVi69gvSSwNx37wqNmAiEA
t1MPJ3S/MV4TLWmfs25jYOtDoi+56qz3JPOKMw+A/SI=
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6kuKgvaoOZbc/7ab
e2HR7BqFgPqmAjRekvkOiovLFW2hRANCAAQtx2nb73P3EDvvahPmVv5BpvhvSitk
dAEhgmCfx5r3eg+ywZR+c4/jxgXkqBbW+GCs19XFsDHVZOduLWnQKcbR
-----END PRIVATE KEY-----
"""


async def add(a: int, b: int = 2) -> int:
    return a + b


@pytest.fixture(name="files")
def files_fixture(tmp_path: Path) -> dict[str, str]:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_text(CERTIFICATE)
    key.write_text(KEY)
    return {"tls_certificate": str(certificate), "tls_key": str(key)}


async def test_requests_over_tls_are_answered(files: dict[str, str]) -> None:
    trust = ssl.create_default_context(cadata=CERTIFICATE)
    async with (
        serving(build(add), **files) as server,
        httpx.AsyncClient(base_url=f"https://localhost:{server.port}", verify=trust) as client,
    ):
        for _ in range(3):
            assert (await client.post("/add", json={"a": 1})).json() == 3
        too_large = await client.post("/add", content=b"a" * 100, headers={"content-type": "text/plain"})
        assert too_large.status_code == 415


async def test_plain_requests_to_a_tls_port_get_nothing(
    files: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(build(add), **files) as server:
        assert statuses(await server.send_raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")) == []
    assert all(record.exc_info is None for record in caplog.records)


async def test_a_silent_tls_client_is_closed(files: dict[str, str]) -> None:
    async with serving(build(add), header_timeout_s=0.2, **files) as server:
        reader, writer = await server.open()
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()


async def test_files_that_cannot_be_used_are_config_errors(files: dict[str, str]) -> None:
    application = build(add)
    for wrong in (
        {"tls_certificate": "/nowhere.pem", "tls_key": files["tls_key"]},
        {"tls_certificate": files["tls_key"], "tls_key": files["tls_key"]},
        {"tls_key": files["tls_key"]},
    ):
        listener = socket.create_server(("127.0.0.1", 0))
        with pytest.raises(ConfigError, match=r"http\.tls_"):
            await serve_http(application, [listener], HttpConfig(**wrong), stop=asyncio.Event(), grace_s=1)
        await eventually(lambda listener=listener: listener.fileno() == -1)
