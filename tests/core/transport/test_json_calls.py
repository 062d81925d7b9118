"""Calls in JSON, from callers that have no classes."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from dynamo_core.errors import (
    CallTimeoutError,
    EndpointNotFoundError,
    InvalidRequestError,
    RemoteCallError,
    ServiceUnavailableError,
    UnsupportedValueError,
    WorkerLostError,
)
from dynamo_core.transport import TransportLimits, call_json
from dynamo_core.values.errors import MalformedRequestError

from .raw_for_tests import FakeWorker, RawPeer, faking
from .serving_for_tests import RUN_ID, eventually, working


@pytest.fixture(name="call")
def call_fixture(make_socket):
    slot_socket = make_socket()

    def call(endpoint: str, body: bytes = b"", **options):
        options = {"run_id": RUN_ID, "service": "Backend", **options}
        return call_json(slot_socket.path, endpoint=endpoint, body=body, **options)

    call.socket = slot_socket
    return call


async def collect(texts) -> list:
    return [json.loads(text) async for text in texts]


async def test_a_result_is_one_text(call):
    """As HTTP would give it; bytes are base64."""
    async with working(call.socket):
        assert await collect(call("echo", b'{"value": {"a": [1, null]}}')) == [{"a": [1, None]}]
        assert await collect(call("make", b'{"size": 3}')) == ["AAAA"]
        assert await collect(call("where")) == [0]


async def test_a_stream_is_a_text_for_each_item(call):
    """In order, however many."""
    async with working(call.socket):
        assert await collect(call("count", b'{"to": 3000}')) == list(range(3000))
        assert await collect(call("count", b'{"to": 0}')) == []


async def test_leaving_a_stream_cancels_it(call):
    """And closes the connection."""
    async with working(call.socket) as worker:
        async with contextlib.aclosing(call("endless")) as texts:
            assert await anext(texts) == b"1"
        await worker.backend.closed.wait()
        await eventually(lambda: not worker.server._connections)


async def test_what_is_wrong_with_a_call_is_said(call):
    """Each with its own error."""
    async with working(call.socket) as worker:
        with pytest.raises(MalformedRequestError):
            await collect(call("echo", b"{not json"))
        with pytest.raises(InvalidRequestError, match="to: missing"):
            await collect(call("count", b"{}"))
        with pytest.raises(EndpointNotFoundError, match="'gone'; it has: about, "):
            await collect(call("gone", b"{}"))
        with pytest.raises(RemoteCallError, match="nothing is here"):
            await collect(call("fail", b"{}"))
        with pytest.raises(UnsupportedValueError, match="object"):
            await collect(call("odd_items", b"{}"))
        with pytest.raises(CallTimeoutError):
            await collect(call("hold", b"{}", timeout_s=0.05))
        await worker.backend.cancelled.wait()


async def test_metadata_travel(call):
    """As with any call."""
    async with working(call.socket):
        (found,) = await collect(call("about", metadata={"trace": "abc"}))
        assert found["metadata"] == {"trace": "abc"}


async def test_a_worker_of_something_else_is_refused(call):
    """With the reason."""
    async with working(call.socket):
        with pytest.raises(ServiceUnavailableError, match="another run"):
            await collect(call("where", run_id="run-2"))
        with pytest.raises(ServiceUnavailableError, match="caller wants 'Other'"):
            await collect(call("where", service="Other"))
        with pytest.raises(ServiceUnavailableError, match="caller wants slot 3"):
            await collect(call("where", slot=3))
        assert await collect(call("where", slot=0)) == [0]


async def test_nobody_there_is_no_hang(call, folder):
    """Neither behind a path without a socket, nor behind a socket without a worker."""
    with pytest.raises(ServiceUnavailableError, match="No such file"):
        await collect(
            call_json(str(folder / "none"), run_id=RUN_ID, service="Backend", endpoint="where", body=b"")
        )
    with pytest.raises(ServiceUnavailableError, match="no worker has answered"):
        await collect(call("where", limits=TransportLimits(unavailable_timeout_s=0.05)))
    with pytest.raises(CallTimeoutError):
        await collect(call("where", timeout_s=0.05))


async def test_a_lost_worker_is_said(call):
    """With whether it had begun."""

    async def begin(worker: FakeWorker, peer: RawPeer) -> None:
        worker.mark(await worker.read_call(peer))

    async with faking(call.socket, begin):
        with pytest.raises(WorkerLostError) as caught:
            await collect(call("where"))
        assert (caught.value.begun, caught.value.slot, caught.value.endpoint) == (True, 0, "where")


async def test_it_leaves_no_task(call):
    """Whatever came of it."""
    async with working(call.socket):
        before = asyncio.all_tasks()
        await collect(call("count", b'{"to": 3}'))
        assert asyncio.all_tasks() == before
