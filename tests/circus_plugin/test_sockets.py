"""Listening sockets of a run."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dynamo_circus.supervisor.sockets import HttpSocket, SlotSocket
from dynamo_core.errors import AddressInUseError, RunDirectoryError, StartError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dc-") as name:
        yield Path(name)


def test_slot_socket_is_private_and_not_inheritable(folder: Path) -> None:
    """Mode 0600 whatever the umask is, and no child gets it by accident."""
    before = os.umask(0)
    try:
        found = SlotSocket("a", service="A", slot=0, path=folder / "a")
        found.bind_and_listen()
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    with found:
        assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o600
        assert not found.get_inheritable()
        assert found.is_reachable
    assert not (folder / "a").exists()


def test_umask_is_put_back_when_bind_fails(folder: Path) -> None:
    """A failed bind leaves the process as it was."""
    (folder / "a").write_text("taken")
    before = os.umask(0o027)
    try:
        found = SlotSocket("a", service="A", slot=0, path=folder / "a")
        with pytest.raises(RunDirectoryError):
            found.bind_and_listen()
        assert os.umask(0o027) == 0o027
        found.close()
    finally:
        os.umask(before)
    assert (folder / "a").read_text() == "taken"


def test_close_leaves_another_socket_at_the_path(folder: Path) -> None:
    """Only the path that leads to this very socket is removed."""
    found = SlotSocket("a", service="A", slot=0, path=folder / "a")
    found.bind_and_listen()
    (folder / "a").unlink()
    other = SlotSocket("a", service="A", slot=0, path=folder / "a")
    other.bind_and_listen()
    assert not found.is_reachable
    found.close()
    assert other.is_reachable
    other.close()


def test_long_path_is_refused_with_its_length() -> None:
    """The refusal comes before anything starts and says how long it would be."""
    with pytest.raises(RunDirectoryError, match="150 bytes"):
        SlotSocket("a", service="A", slot=0, path=Path("/" + "x" * 149))


def test_http_socket_names_its_free_port() -> None:
    """Port 0 takes a free one, which the URL shows."""
    with HttpSocket("h", service="A", host="127.0.0.1", port=0) as found:
        found.bind_and_listen()
        assert found.url == f"http://127.0.0.1:{found.getsockname()[1]}"


def test_taken_port_is_named() -> None:
    """The error has host, port and service."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with (
            HttpSocket("h", service="A", host="127.0.0.1", port=port) as found,
            pytest.raises(AddressInUseError) as caught,
        ):
            found.bind_and_listen()
        assert (caught.value.port, caught.value.service) == (port, "A")


def test_foreign_address_is_a_start_error() -> None:
    """An address this machine does not have is told as such."""
    with (
        HttpSocket("h", service="A", host="203.0.113.1", port=0) as found,
        pytest.raises(StartError, match=r"203\.0\.113\.1"),
    ):
        found.bind_and_listen()


@pytest.mark.parametrize(("is_tls", "scheme"), [(True, "https"), (False, "http")])
def test_url_says_how_the_service_is_reached(is_tls: bool, scheme: str) -> None:
    """Whoever opens it speaks what the workers speak."""
    with HttpSocket("h", service="A", host="127.0.0.1", port=0, is_tls=is_tls) as found:
        found.bind_and_listen()
        assert found.url == f"{scheme}://127.0.0.1:{found.port}"
