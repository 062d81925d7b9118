"""``mypy --strict`` over code as users write it: what is right passes, and each wrong line is found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests" / "typing"
ACCEPTED = sorted((FOLDER / "accepted").glob("*.py"))
REJECTED = sorted((FOLDER / "rejected").glob("*.py"))

_REPORT = re.compile(r"^(?P<file>.+?):(?P<line>\d+): error: .*\[(?P<code>[a-z-]+)\]$")
_MARK = re.compile(r"# error: (?P<code>[a-z-]+)$")

Codes = dict[int, set[str]]
"""Codes of errors by line."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Codes]:
    """What mypy says of all files."""
    folder = tmp_path_factory.mktemp("mypy")
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", str(folder / "mypy.ini")),
            *(
                "--cache-dir",
                str(folder / "cache"),
                "--no-error-summary",
                "--no-pretty",
                "--hide-error-context",
            ),
            *map(str, [*ACCEPTED, *REJECTED]),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found = [_REPORT.match(line) for line in done.stdout.splitlines() if ": error: " in line]
    assert None not in found, done.stdout
    told: dict[Path, Codes] = {path: {} for path in (*ACCEPTED, *REJECTED)}
    for match in found:
        assert match is not None
        told[ROOT / match["file"]].setdefault(int(match["line"]), set()).add(match["code"])
    return told


def marks(path: Path) -> dict[int, str]:
    """The lines of *path* that must be errors, with a code that each must have."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    found = [(number, _MARK.search(line)) for number, line in lines]
    return {number: match["code"] for number, match in found if match is not None}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_right_code_is_accepted(path: Path, reports: dict[Path, Codes]) -> None:
    """``assert_type`` in it says what editors show."""
    assert reports[path] == {}
    assert "assert_type(" in path.read_text(encoding="utf-8")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.stem)
def test_each_wrong_line_is_rejected(path: Path, reports: dict[Path, Codes]) -> None:
    """And no other one."""
    expected, found = marks(path), reports[path]
    assert expected
    assert found.keys() == expected.keys()
    assert all(code in found[line] for line, code in expected.items())
