"""A run hears what it is told over its socket, and whoever told it meets what the run met."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dynamo_core.control import RunDirectory
from dynamo_core.control.client import ControlClient
from dynamo_core.control.failures import ControlError
from dynamo_core.control.server import ControlServer
from dynamo_core.errors import (
    EXIT_NO_RUN,
    AddressInUseError,
    ConfigError,
    DynamoError,
    InvalidRequestError,
    RunDirectoryError,
    RunNotFoundError,
    ServiceFailedError,
    ServiceNotFoundError,
    ServiceUnavailableError,
    StartError,
    UnsupportedOperationError,
)

from .control_for_tests import ObedientRun


@pytest.fixture
async def directory(folder: Path) -> AsyncIterator[RunDirectory]:
    with RunDirectory.create(folder) as made:
        yield made


@pytest.fixture
async def run(directory: RunDirectory) -> AsyncIterator[ObedientRun]:
    """A run whose control socket is open."""
    made = ObedientRun()
    async with ControlServer(made, directory):
        yield made


@pytest.fixture
async def client(run: ObedientRun, directory: RunDirectory) -> AsyncIterator[ControlClient]:
    async with ControlClient(directory.control_socket_path, directory.run_id) as made:
        yield made


async def test_every_verb_reaches_the_run(run: ObedientRun, client: ControlClient) -> None:
    """With all it was told."""
    status = await client.status()
    assert (status.graph, status.provider, status.state) == ("Frontend", "obedient", "ready")
    assert status.services[0].workers[0].generation == 2
    await client.wait_ready(2.5)
    await client.wait_ready()
    await client.scale("Backend", 3, reason="because")
    await client.restart("Backend")
    await client.stop(reason="enough")
    assert run.asked == [
        ("status",),
        ("wait_ready", 2.5),
        ("wait_ready", None),
        ("scale", "Backend", 3, "because"),
        ("restart", "Backend", None),
        ("stop", "enough"),
    ]


async def test_kept_lines_end_by_themselves(run: ObedientRun, client: ControlClient) -> None:
    """Unless one wants to follow."""
    lines = [line async for line in client.logs(follow=False)]
    assert [line.text for line in lines] == ["line 0", "line 1", "line 2"]
    assert [line async for line in client.logs("Other", follow=False)] == []
    assert run.asked == [("logs", None, False), ("logs", "Other", False)]


async def test_followed_lines_come_as_they_are_written(run: ObedientRun, client: ControlClient) -> None:
    """Until the run is over."""
    texts = []
    async for line in client.logs():
        texts.append(line.text)
        if len(texts) == 3:
            run.no_more_lines.set()
    assert texts == ["line 0", "line 1", "line 2"]


async def test_reader_that_leaves_is_forgotten(run: ObedientRun, client: ControlClient) -> None:
    """The run does not go on for it."""
    async with contextlib.aclosing(client.logs()) as lines:
        await anext(lines)
    async with asyncio.timeout(30):
        while not run.closed_logs:
            await asyncio.sleep(0.001)


FAILURES = [
    ServiceNotFoundError("Bakend", known=["Backend"]),
    StartError("Backend", "exit status 1", slot=2, last_lines=["one", "two"]),
    ServiceFailedError("Backend", "8 failures in a row", last_lines=["boom"]),
    UnsupportedOperationError("obedient", "scale", "it has one worker"),
    AddressInUseError("127.0.0.1", 8000, service="Frontend"),
    ConfigError("log directory '/x' cannot be used: it is a link"),
    RunDirectoryError("a socket's path would have 169 bytes, the limit is 100"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_failure_arrives_as_what_it_was(
    run: ObedientRun, client: ControlClient, failure: DynamoError
) -> None:
    """Class, message and facts."""
    run.failure = failure
    with pytest.raises(type(failure)) as caught:
        await client.restart("Backend")
    assert str(caught.value) == str(failure)
    assert vars(caught.value) == vars(failure)
    with pytest.raises(type(failure)):
        [line async for line in client.logs()]


async def test_other_failure_keeps_its_message_and_exit_code(run: ObedientRun, client: ControlClient) -> None:
    """Its class is told by name."""
    run.failure = RunNotFoundError("nothing fits")
    with pytest.raises(ControlError, match="nothing fits") as caught:
        await client.scale("Backend", 1)
    assert (caught.value.type_name, caught.value.exit_code) == ("RunNotFoundError", EXIT_NO_RUN)


async def test_time_limit_is_a_timeout_error(run: ObedientRun, client: ControlClient) -> None:
    """As for whoever runs it in its own process."""
    run.failure = TimeoutError()
    with pytest.raises(TimeoutError):
        await client.wait_ready(0.1)


async def test_wrong_arguments_never_reach_the_run(run: ObedientRun, client: ControlClient) -> None:
    """The endpoint's own types see to it."""
    with pytest.raises(InvalidRequestError):
        await client.scale("Backend", "many")  # type: ignore[arg-type]  # on purpose
    assert run.asked == []


async def test_socket_of_another_run_refuses(run: ObedientRun, directory: RunDirectory) -> None:
    """The id of the run is part of the handshake."""
    async with ControlClient(directory.control_socket_path, "f" * 16, patience_s=0.2) as stranger:
        with pytest.raises(ServiceUnavailableError):
            await stranger.stop()
    assert run.asked == []


async def test_nobody_on_the_socket_is_told_soon(directory: RunDirectory) -> None:
    """Nothing hangs on a supervisor that is gone."""
    async with ControlClient(directory.control_socket_path, directory.run_id, patience_s=0.05) as client:
        with pytest.raises(ServiceUnavailableError):
            await client.status()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_socket_is_this_users_alone(directory: RunDirectory, umask: int) -> None:
    """Whatever the umask, which is left as it was."""
    before = os.umask(umask)
    try:
        async with ControlServer(ObedientRun(), directory):
            assert stat.S_IMODE(directory.control_socket_path.stat().st_mode) == 0o600
    finally:
        assert os.umask(before) == umask


async def test_socket_can_be_made_anew(run: ObedientRun, directory: RunDirectory) -> None:
    """After somebody has removed the run's directory."""
    async with (
        ControlServer(ObedientRun(), directory) as server,
        ControlClient(directory.control_socket_path, directory.run_id) as former,
    ):
        assert (await former.status()).provider == "obedient"
        assert server.is_reachable
        directory.control_socket_path.unlink()
        assert not server.is_reachable
        server.reopen()
        assert server.is_reachable
        async with ControlClient(directory.control_socket_path, directory.run_id) as client:
            assert (await client.status()).provider == "obedient"
        assert (await former.status()).provider == "obedient"
    assert not server.is_reachable


async def test_server_closes_twice_and_unopened(directory: RunDirectory) -> None:
    """A supervisor that failed early need not remember."""
    server = ControlServer(ObedientRun(), directory)
    await server.aclose()
    async with server:
        pass
    await server.aclose()


async def test_follower_does_not_hold_up_the_end(directory: RunDirectory) -> None:
    """It gets its error, and the socket closes."""
    made = ObedientRun()
    server = ControlServer(made, directory)
    await server.open()
    async with ControlClient(directory.control_socket_path, directory.run_id) as client:
        lines = client.logs()
        await anext(lines)
        async with asyncio.timeout(30):
            await server.aclose()
            with pytest.raises(DynamoError):
                [line async for line in lines]
