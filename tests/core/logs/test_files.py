"""Log files: private, rotated, and never a reason to stop."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynamo_core.errors import ConfigError
from dynamo_core.logs.directory import LogDirectory
from dynamo_core.logs.files import LogFile, LogFiles
from dynamo_core.logs.lines import LineBatch
from dynamo_core.logs.settings import LOWEST_LIMIT, LogFileSettings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors of directories")


def batch(*texts: str, service: str = "Backend") -> LineBatch:
    return LineBatch(list(texts), service=service, slot=0, stream="stdout", time="now")


def settings(path: Path, *, keep: int = 2, as_json: bool = False) -> LogFileSettings:
    return LogFileSettings(directory=str(path), max_bytes=LOWEST_LIMIT, keep=keep, as_json=as_json)


def small(path: Path, max_bytes: int, *, keep: int = 2) -> LogFileSettings:
    made = settings(path, keep=keep)
    object.__setattr__(made, "max_bytes", max_bytes)  # below what options allow
    return made


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[LogDirectory]:
    opened = LogDirectory.open(tmp_path / "logs")
    yield opened
    opened.close()


def texts_of(path: Path) -> list[str]:
    return [line.partition(" | ")[2] for line in path.read_text().splitlines()]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- the directory -------------------------------------------------------------------------------------------


def test_directory_is_made_for_this_user_alone(tmp_path: Path) -> None:
    """With what lies above it."""
    LogDirectory.open(tmp_path / "new" / "logs").close()
    assert mode_of(tmp_path / "new" / "logs") == 0o700


def test_directory_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    """They could put links into it."""
    path = tmp_path / "logs"
    path.mkdir()
    path.chmod(0o777)
    with pytest.raises(ConfigError, match="others can write to it"):
        LogDirectory.open(path)
    path.chmod(0o755)
    LogDirectory.open(path).close()


def test_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Whoever can change the link could move the files."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(ConfigError, match="is a link, which is not followed"):
        LogDirectory.open(tmp_path / "link")


def test_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """With the reason of the system."""
    (tmp_path / "logs").write_text("")
    with pytest.raises(ConfigError, match=r"log directory '.*logs' cannot be used"):
        LogDirectory.open(tmp_path / "logs")


def test_two_runs_cannot_write_to_one_directory(tmp_path: Path) -> None:
    """They would rotate each other's files; the second may have it once the first is gone."""
    first = LogDirectory.open(tmp_path)
    with pytest.raises(ConfigError, match="another run"):
        LogDirectory.open(tmp_path)
    first.close()
    LogDirectory.open(tmp_path).close()


# --- files ---------------------------------------------------------------------------------------------------


def test_each_service_has_a_file_for_this_user_alone(tmp_path: Path) -> None:
    """Whatever the umask, and with all that is known of a line."""
    before = os.umask(0)
    try:
        files = LogFiles(LogDirectory.open(tmp_path / "logs"), settings(tmp_path / "logs"))
        files.write(batch("one", "ERROR: app: two"))
        files.write(batch("three", service="Frontend"))
        files.close(30)
    finally:
        os.umask(before)
    file = tmp_path / "logs" / "Backend.log"
    assert mode_of(file) == 0o600
    assert file.read_text().splitlines() == [
        "now Backend/0 stdout info | one",
        "now Backend/0 stdout error | ERROR: app: two",
    ]
    assert texts_of(tmp_path / "logs" / "Frontend.log") == ["three"]


def test_files_may_hold_json(tmp_path: Path) -> None:
    """One object a line."""
    files = LogFiles(LogDirectory.open(tmp_path / "logs"), settings(tmp_path / "logs", as_json=True))
    files.write(batch("one"))
    files.close(30)
    assert (tmp_path / "logs" / "Backend.log").read_text().startswith('{"time":"now","level":"info"')


def test_file_is_appended_to_and_made_private(directory: LogDirectory) -> None:
    """By the next run; a line that the last one could not finish does not swallow the first of this one."""
    path = directory.path / "Backend.log"
    path.write_text("half a li")
    path.chmod(0o666)
    file = LogFile(directory, "Backend.log", settings(directory.path))
    file.write([batch("whole")])
    file.close()
    assert path.read_text() == "half a li\nnow Backend/0 stdout info | whole\n"
    assert mode_of(path) == 0o600


def test_files_are_rotated_by_size(directory: LogDirectory) -> None:
    """None passes the limit, no line is lost between two, and no more than wanted are kept."""
    limit = 1000
    file = LogFile(directory, "Backend.log", small(directory.path, limit))
    for number in range(100):
        file.write([batch(f"{number:03} {'x' * 50}", f"{number:03} second")])
    file.close()
    names = ["Backend.log.2", "Backend.log.1", "Backend.log"]
    assert sorted(path.name for path in directory.path.glob("*.log*")) == sorted(names)
    assert all((directory.path / name).stat().st_size <= limit for name in names)
    found = [text for name in names for text in texts_of(directory.path / name)]
    assert found[-2:] == [f"099 {'x' * 50}", "099 second"]
    first = int(found[-1][:3]) - len(found) // 2 + 1
    assert [text[:3] for text in found[-2 * (100 - first) :]] == [
        f"{n:03}" for n in range(first, 100) for _ in "ab"
    ]


def test_many_lines_at_once_are_split_between_files(directory: LogDirectory) -> None:
    """A batch may be larger than a file."""
    file = LogFile(directory, "Backend.log", small(directory.path, 2000, keep=100))
    file.write([batch(*(str(number) for number in range(1000)))])
    file.close()
    paths = sorted(directory.path.glob("Backend.log.*"), key=lambda path: -int(path.suffix[1:]))
    found = [text for path in [*paths, directory.path / "Backend.log"] for text in texts_of(path)]
    assert found == [str(number) for number in range(1000)]
    assert all(path.stat().st_size <= 2000 for path in paths)


def test_nothing_is_kept_where_nothing_is_wanted(directory: LogDirectory) -> None:
    """The present file begins anew."""
    file = LogFile(directory, "Backend.log", small(directory.path, 100, keep=0))
    for number in range(10):
        file.write([batch(f"{number} {'x' * 60}")])
    file.close()
    assert [path.name for path in directory.path.glob("*.log*")] == ["Backend.log"]
    assert texts_of(directory.path / "Backend.log") == [f"9 {'x' * 60}"]


def test_file_that_was_moved_away_is_begun_anew(directory: LogDirectory) -> None:
    """As logrotate does."""
    file = LogFile(directory, "Backend.log", settings(directory.path))
    file.write([batch("old")])
    (directory.path / "Backend.log").rename(directory.path / "moved")
    file.write([batch("new")])
    file.close()
    assert texts_of(directory.path / "moved") == ["old"]
    assert texts_of(directory.path / "Backend.log") == ["new"]


# --- files that cannot be written ------------------------------------------------------------------------------


class FullDisk(LogDirectory):
    """A directory whose files are on a disk that is full, until it is not.

    Attributes:
        is_full: Whether it is.
    """

    is_full = True

    def open_file(self, name: str) -> int:
        if self.is_full:
            return os.open("/dev/full", os.O_RDWR)
        return super().open_file(name)

    def is_at(self, name: str, descriptor: int) -> bool:
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            return self.is_full
        return not self.is_full and super().is_at(name, descriptor)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_full_disk_is_one_warning_and_a_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The file goes on once there is room, and says what is missing."""
    caplog.set_level(logging.INFO, "dynamo_core.logs")
    directory = FullDisk.open(tmp_path / "logs")
    now = 0.0
    file = LogFile(directory, "Backend.log", settings(directory.path), retry_s=1.0, clock=lambda: now)
    for step in range(5):
        now = step * 0.6
        file.write([batch("lost", "too")], dropped=1)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left on device" in caplog.text
    directory.is_full = False
    now = 10.0
    file.write([batch("found")])
    file.close()
    directory.close()
    assert texts_of(directory.path / "Backend.log") == [
        "15 lines were dropped: the log file could not be written",
        "found",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_disk_that_is_full_again_and_again_is_not_told_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Some lines fit on a disk that is nearly full, and others do not."""
    directory = FullDisk.open(tmp_path / "logs")
    now = 0.0
    file = LogFile(directory, "Backend.log", settings(directory.path), retry_s=0.0, clock=lambda: now)
    for second in range(59):
        now = float(second)
        directory.is_full = second % 2 == 0
        file.write([batch("line")])
    assert len(caplog.records) == 1
    now, directory.is_full = 100.0, True
    file.write([batch("line")])
    file.write([batch("line")])
    file.close()
    directory.close()
    assert len(caplog.records) == 2


@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "FIFO", "folder"])
def test_what_is_no_plain_file_is_not_written_to(
    directory: LogDirectory, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """One warning; the file is begun once the path is free."""
    path, target = directory.path / "Backend.log", tmp_path / "target"
    if kind != "dangling link":
        target.write_text("mine\n")
    if kind.endswith("link"):
        path.hardlink_to(target) if kind == "hard link" else path.symlink_to(target)
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.mkdir()
    file = LogFile(directory, "Backend.log", settings(directory.path), retry_s=0.0)
    file.write([batch("one")])
    file.write([batch("two")])
    assert len(caplog.records) == 1
    assert target.exists() == (kind != "dangling link")
    assert kind == "dangling link" or target.read_text() == "mine\n"
    path.rmdir() if kind == "folder" else path.unlink()
    file.write([batch("three")])
    file.close()
    assert texts_of(path) == ["2 lines were dropped: the log file could not be written", "three"]


LIMITED = """
import resource, signal, sys
from pathlib import Path
from dynamo_core.logs.directory import LogDirectory
from dynamo_core.logs.files import LogFile
from dynamo_core.logs.lines import LineBatch
from dynamo_core.logs.settings import LogFileSettings
path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = LogFile(LogDirectory.open(path), "B.log", LogFileSettings(directory=str(path), max_bytes=2**20, keep=0))
for number in range(100):
    file.write([LineBatch([f"{number} " + "x" * 50], service="B", slot=0, stream="stdout", time="now")])
"""


def test_line_that_fits_only_in_part_is_left_out(tmp_path: Path) -> None:
    """Records are whole, even on a disk that is full."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    content = (tmp_path / "B.log").read_text()
    assert content.endswith("x\n")
    assert 900 < len(content) <= 1000
