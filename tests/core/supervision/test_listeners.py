"""The sockets of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dynamo_core.config import HttpConfig
from dynamo_core.errors import AddressInUseError, RunDirectoryError, StartError
from dynamo_core.supervision.http_listener import HttpListener, http_port
from dynamo_core.supervision.slot_listener import SlotListener

if TYPE_CHECKING:
    from pathlib import Path


def test_slot_listener_is_private_and_takes_its_file_away(folder: Path) -> None:
    """A socket of a dead worker in its place is replaced."""
    path = folder / "w0-0.sock"
    path.touch()
    listener = SlotListener(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert listener.is_reachable
    listener.close()
    listener.close()
    assert not path.exists()
    with pytest.raises(RunDirectoryError):
        SlotListener(folder / "absent" / "x.sock")


def test_slot_listener_leaves_what_has_taken_its_place(folder: Path) -> None:
    """One that was made anew is another's."""
    path = folder / "w0-0.sock"
    former = SlotListener(path)
    path.unlink()
    assert not former.is_reachable
    listener = SlotListener(path)
    former.close()
    assert listener.is_reachable
    listener.close()


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_http_listener_says_where_it_is(host: str, shown: str) -> None:
    """Port 0 is a free one; one that is taken is told with its service."""
    listener = HttpListener("Backend", HttpConfig(host=host), 0)
    port = listener.http.port
    assert listener.url == f"http://{shown}:{port}"
    with pytest.raises(AddressInUseError) as caught:
        HttpListener("Frontend", HttpConfig(host=host), port)
    assert caught.value.service == "Frontend"
    listener.close()
    listener.close()


def test_address_that_cannot_be_is_told_with_its_service() -> None:
    """Whatever is wrong with it."""
    for host in ("203.0.113.1", "x" * 300, "\x00"):
        with pytest.raises(StartError, match="cannot listen on") as caught:
            HttpListener("Backend", HttpConfig(host=host), 0)
        assert caught.value.service == "Backend"


def test_only_the_entry_service_takes_the_usual_port() -> None:
    """Every service takes the one that it is told."""
    usual, told = HttpConfig(), HttpConfig(port=9123)
    assert http_port(usual, is_entry=True) == usual.port
    assert http_port(usual, is_entry=False) == 0
    assert http_port(told, is_entry=True) == http_port(told, is_entry=False) == 9123
