"""Which of the user's files a worker has imported."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import dynamo_core
from dynamo_core.worker_kit.imported_files import (
    LONGEST_MESSAGE_BYTES,
    ImportReporter,
    files_of_failure,
    imported_files,
    is_users,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="notifications are datagrams on unix sockets")

SCRIPT = """
import json, sys, types
sys.path.insert(0, sys.argv[1])
import attrs, colorsys, users_module
from dynamo_core.worker_kit.imported_files import imported_files
sys.modules["odd"] = 17
sys.modules["odder"] = types.SimpleNamespace(__file__=b"bytes")
print(json.dumps(sorted(imported_files())))
"""


def test_users_files_are_told_from_all_others(tmp_path: Path) -> None:
    """The script itself and its modules; neither installed ones, nor the standard library, nor this project."""
    (tmp_path / "users_module.py").write_text("")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [str(script), str(tmp_path / "users_module.py")]


def test_files_that_are_not_there_are_nobodys(tmp_path: Path) -> None:
    """Such as those of code that was made at run time."""
    assert not is_users("<string>")
    assert not is_users(str(tmp_path / "absent.py"))
    assert not is_users(json.__file__)
    assert not is_users(pytest.__file__)
    assert is_users(__file__)


def test_failure_leads_to_modules_that_could_not_be_imported(tmp_path: Path) -> None:
    """They are in no list of modules: one with a mistake of syntax, and the one that imports it."""
    (tmp_path / "wrong.py").write_text("x = =\n")
    (tmp_path / "outer.py").write_text("try:\n    import wrong\nexcept SyntaxError:\n    raise ValueError\n")
    sys.path.insert(0, str(tmp_path))
    try:
        import outer  # type: ignore[import-not-found]  # noqa: F401
    except ValueError as exc:
        found = files_of_failure(ExceptionGroup("several", [exc]))
    finally:
        sys.path.remove(str(tmp_path))
    assert found == {str(tmp_path / "wrong.py"), str(tmp_path / "outer.py"), __file__}
    assert not any(path.startswith(dynamo_core.__path__[0]) for path in found)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with (
        tempfile.TemporaryDirectory(prefix="dc-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made,
    ):
        made.bind(f"{folder}/notify")
        made.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        yield made


def received(listener: socket.socket) -> list[str]:
    listener.setblocking(False)
    found: list[str] = []
    while True:
        try:
            message = listener.recv(65536)
        except BlockingIOError:
            return found
        assert len(message) <= LONGEST_MESSAGE_BYTES
        found += [line.removeprefix("DYNAMO_WATCH=") for line in message.decode().split("\n")]


def test_each_file_is_told_once(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as something new was imported."""
    reporter, told = ImportReporter(), list[str]()
    wanted = sorted(imported_files())
    while len(told) < len(wanted):  # one message a time
        reporter.report()
        told += received(listener)
    assert sorted(told) == wanted
    reporter.report()
    assert received(listener) == []
    reporter.report_failure(ValueError("not raised"))
    assert received(listener) == []


def test_what_the_supervisor_has_no_room_for_is_told_later(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In as many messages as it takes; a name that no line can hold is left out."""
    files = {f"/home/{'x' * 100}/module_{number}.py" for number in range(2000)}
    module = "dynamo_core.worker_kit.imported_files.imported_files"
    monkeypatch.setattr(module, lambda: {*files, "/two\nlines.py", "/no\udcffunicode.py", "/" + "x" * 5000})
    reporter, found = ImportReporter(), set[str]()
    while found != files:
        reporter.report()
        told = received(listener)
        assert told
        assert not found.intersection(told)
        found.update(told)
