"""Security: secrets stay where they belong, and nobody else gets in."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import stat
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import pytest

from dynamo_core import CallError, endpoint_of, with_options
from dynamo_core.client import make_client
from dynamo_core.graph import collect
from dynamo_core.inspection import define_service
from dynamo_core.testing.conformance.harness import Conformance, OpenRun, Provider, on_loop, on_own_loop
from dynamo_core.testing.conformance.needs import needs
from dynamo_core.testing.conformance.processes import command_lines
from dynamo_core.testing.conformance.services.guarded import SECRET_VARIABLE, Keeper, Stranger
from dynamo_core.testing.conformance.services.life import House
from dynamo_core.testing.conformance.services.web import Web
from dynamo_core.transport import Member, SlotChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dynamo_core.provider import RunningServices, ServiceEvent, WorkerStatus

PRIVATE_FILE: int = 0o600
PRIVATE_FOLDER: int = 0o700
SHORT_S: float = 1.0


class SecurityConformance(Conformance):
    """What the borders of a run keep in and out."""

    entry: ClassVar[type] = House

    @needs("environment", "isolation")
    @on_own_loop
    async def test_secret_reaches_its_service_only(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not those beside it, whatever they inherit."""
        monkeypatch.setenv(SECRET_VARIABLE, secret := uuid.uuid4().hex)
        async with provider.run(collect(Stranger)) as services:
            assert await services.client(Keeper).secret() == secret
            variables = await services.client(Stranger).variables()
        assert secret not in variables.values()
        assert SECRET_VARIABLE not in variables

    @needs("environment", "isolation")
    @on_own_loop
    async def test_secret_is_nowhere_to_be_read(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither in events, status and files of the run, nor in a command line that everybody can list."""
        monkeypatch.setenv(SECRET_VARIABLE, secret := uuid.uuid4().hex)
        heard: list[ServiceEvent] = []
        async with provider.run(collect(Stranger), heard.append) as services:
            status = json.dumps((await services.status()).to_data())
            files = b"".join(_files_of_the_run(await _workers(services)))
            lines = b"".join(command_lines())
        assert secret not in status
        assert secret not in repr(heard)
        assert secret.encode() not in files
        assert secret.encode() not in lines

    @on_loop
    async def test_sockets_of_workers_are_private(self, run: OpenRun) -> None:
        """A unix socket that a status names is the user's alone, and so is its folder."""
        paths = [Path(worker.path) for worker in await _workers(run.services) if worker.path]
        if not paths:
            pytest.skip("its workers have no unix sockets")
        for path in paths:
            found, folder = path.stat(), path.parent.stat()  # once
            assert stat.S_ISSOCK(found.st_mode)
            assert stat.S_IMODE(found.st_mode) == PRIVATE_FILE, path
            assert stat.S_IMODE(folder.st_mode) == PRIVATE_FOLDER, path.parent
            assert found.st_uid == folder.st_uid == os.geteuid()

    @on_loop
    async def test_caller_of_another_run_is_refused(self, run: OpenRun) -> None:
        """Whoever does not know the run's id gets no answer, even on the right socket."""
        (worker,) = [each for each in await _workers(run.services, "Cellar") if each.slot == 0]
        if not worker.path:
            pytest.skip("its workers have no unix sockets")
        cellar = define_service(collect(House).find_service("Cellar").inner)
        channel = SlotChannel("Cellar", run_id="0" * 16)
        channel.set_members([Member(slot=0, path=worker.path, generation=worker.generation)])
        try:
            client = make_client(cellar.inner, cellar, channel, asyncio.get_running_loop())
            with pytest.raises(CallError):
                await endpoint_of(with_options(client, timeout_s=SHORT_S), "store")("coal")
        finally:
            await channel.aclose()

    @needs("http")
    def test_http_is_for_this_machine_only(self, open_run: Callable[[type], OpenRun]) -> None:
        """Unless it is told otherwise."""
        host = urlsplit(open_run(Web).http_url("Web")).hostname
        assert host is not None
        assert host == "localhost" or ipaddress.ip_address(host).is_loopback


async def _workers(services: RunningServices, service: str = "") -> list[WorkerStatus]:
    found = (await services.status()).services
    return [worker for each in found if service in {"", each.name} for worker in each.workers]


def _files_of_the_run(workers: list[WorkerStatus]) -> Iterator[bytes]:
    """The content of every plain file beside a worker's socket."""
    for folder in {Path(worker.path).parent for worker in workers if worker.path}:
        for path in folder.rglob("*"):
            if path.is_file():
                yield path.read_bytes()
