"""The parts of uvicorn and httptools that the hardened protocol leans on.

When one of these fails after an upgrade, read ``HttpToolsProtocol`` again and mend
``dynamo_core/http/hardened_protocol.py``; its other tests then say whether it still holds.
"""

from __future__ import annotations

import asyncio
import inspect

import httptools
import pytest
from uvicorn.config import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState

from dynamo_core.http.hardened_protocol import HardenedProtocol


def parameters_of(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_the_protocol_is_built_as_expected() -> None:
    names = parameters_of(httptools_impl.HttpToolsProtocol.__init__)
    assert names[:4] == ["self", "config", "server_state", "app_state"]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("connection_made", ["self", "transport"]),
        ("connection_lost", ["self", "exc"]),
        ("data_received", ["self", "data"]),
        ("on_message_begin", ["self"]),
        ("on_url", ["self", "url"]),
        ("on_header", ["self", "name", "value"]),
        ("on_headers_complete", ["self"]),
        ("on_body", ["self", "body"]),
        ("on_message_complete", ["self"]),
        ("on_response_complete", ["self"]),
        ("shutdown", ["self"]),
        ("pause_writing", ["self"]),
        ("resume_writing", ["self"]),
        ("_unset_keepalive_if_required", ["self"]),
    ],
)
def test_every_method_that_is_replaced_or_called_is_there(name: str, parameters: list[str]) -> None:
    assert parameters_of(getattr(httptools_impl.HttpToolsProtocol, name)) == parameters


def test_no_parser_callback_is_new() -> None:
    """One we do not know could let something past the limits."""
    known = {
        "on_message_begin",
        "on_url",
        "on_header",
        "on_headers_complete",
        "on_body",
        "on_message_complete",
        "on_response_complete",
    }
    assert {name for name in dir(httptools_impl.HttpToolsProtocol) if name.startswith("on_")} == known


def test_a_response_writes_through_its_transport_and_ends_through_it() -> None:
    """The cycle must go on calling ``write``, ``is_closing`` and ``close`` of its transport, and nothing else."""
    source = inspect.getsource(httptools_impl.RequestResponseCycle)
    used = {part.split("(")[0] for part in source.split("self.transport.")[1:]}
    assert used == {"write", "is_closing", "close"}


async def test_a_connection_has_the_state_that_is_read() -> None:
    config = Config(
        _never_called, http=HardenedProtocol, ws="none", lifespan="off", interface="asgi3", log_config=None
    )
    config.load()
    protocol = httptools_impl.HttpToolsProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    for name in (
        "parser",
        "connections",
        "tasks",
        "transport",
        "flow",
        "client",
        "pipeline",
        "scope",
        "headers",
        "cycle",
        "server_state",
        "timeout_keep_alive",
        "loop",
        "access_log",
    ):
        assert hasattr(protocol, name), name
    cycle = httptools_impl.RequestResponseCycle(
        scope={},
        transport=None,
        flow=None,
        logger=None,
        access_logger=None,
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )
    for name in (
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "response_started",
        "response_complete",
        "transport",
    ):
        assert hasattr(cycle, name), name
    assert {"connections", "tasks", "default_headers", "total_requests"} <= vars(ServerState()).keys()


def test_the_parser_tells_where_an_upgrade_begins() -> None:
    class Silent:
        pass

    head = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    with pytest.raises(httptools.HttpParserUpgrade) as caught:
        httptools.HttpRequestParser(Silent()).feed_data(head + b"rest")
    assert caught.value.args == (len(head),)


async def _never_called(scope: object, receive: object, send: object) -> None:
    raise AssertionError
