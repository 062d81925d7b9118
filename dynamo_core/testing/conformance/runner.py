"""Run the kit on one provider, in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from dynamo_core import environment
from dynamo_core.errors import DynamoError
from dynamo_core.testing.conformance.grading import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

KIT_TIMEOUT_S: Final = 1800.0
_SUITE: Final = "dynamo_core.testing.conformance.suite"
_PLUGIN: Final = "dynamo_core.testing.conformance.recording"
_FAILED_TESTS: Final = 1
_WRONG_USAGE: Final = 4
_NO_TESTS: Final = 5
_LAST_LINES: Final = 20


class KitError(DynamoError):
    """The kit could not be run, so that nothing is known about the provider."""


@attrs.frozen(kw_only=True)
class KitOptions:
    """How the kit is run.

    Attributes:
        keyword: Which tests to run, as ``pytest -k`` has it; empty for all.
        junit: Where to write the results as JUnit XML; None for nowhere.
        is_verbose: Whether pytest's own output goes to standard error.
        timeout_s: Seconds that the whole kit may take.
        test_limit_s: Seconds that one test may take; None leaves it to the kit.
        stops_at_failure: Whether to end after the first test that fails.
    """

    keyword: str = ""
    junit: Path | None = None
    is_verbose: bool = False
    timeout_s: float = KIT_TIMEOUT_S
    test_limit_s: float | None = None
    stops_at_failure: bool = False


class KitRun(NamedTuple):
    """What came of it.

    Attributes:
        outcomes: How every test ended.
        output: What pytest wrote; empty where that went to standard error.
    """

    outcomes: tuple[Outcome, ...]
    output: str


def run_kit(provider: str, options: KitOptions) -> KitRun:
    """Run the kit's tests on the installed provider of that name.

    Args:
        provider: Its name, or ``distribution:name``.
        options: How.

    Raises:
        KitError: pytest is not installed, ended of itself, or took too long.
    """
    if importlib.util.find_spec("pytest") is None:
        raise KitError("the conformance kit needs pytest: pip install 'dynamo-core[testing]'")
    suite = importlib.util.find_spec(_SUITE)
    assert suite is not None, "it lies beside this module"
    assert suite.origin is not None, "it is a file"
    with tempfile.TemporaryDirectory(prefix="dynamo-kit-") as folder:
        outcomes = Path(folder) / "outcomes.json"
        (Path(folder) / "pytest.ini").write_text("[pytest]\n", "utf-8")
        command = [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:asyncio",
                "-p",
                _PLUGIN,
            ),
            *("-c", str(Path(folder) / "pytest.ini"), "--rootdir", folder, "--import-mode=importlib"),
            *("--basetemp", str(Path(folder) / "t"), f"--dynamo-provider={provider}"),
            *(f"--dynamo-outcomes={outcomes}", *_chosen(options), suite.origin),
        ]
        output = _run(command, options)
        if not outcomes.is_file():
            raise KitError(f"the kit could not be run:\n{_end_of(output)}")
        found = tuple(Outcome(**each) for each in json.loads(outcomes.read_bytes()))
    if not found:
        raise KitError(f"no test of the kit was run:\n{_end_of(output)}")
    return KitRun(found, output)


def _chosen(options: KitOptions) -> Sequence[str]:
    chosen = []
    if options.keyword:
        chosen += ["-k", options.keyword]
    if options.junit is not None:
        chosen.append(f"--junitxml={options.junit.absolute()}")
    if options.test_limit_s is not None:
        chosen.append(f"--dynamo-test-limit={options.test_limit_s}")
    if options.stops_at_failure:
        chosen.append("--exitfirst")
    return chosen


def _run(command: Sequence[str], options: KitOptions) -> str:
    """Run pytest with this process's import path, and without anything that would choose another provider."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(environment.PREFIX)}
    try:
        done = subprocess.run(
            command,
            env={**environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if options.is_verbose else subprocess.PIPE,
            stderr=None if options.is_verbose else subprocess.STDOUT,
            text=True,
            timeout=options.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise KitError(
            f"the kit took longer than {options.timeout_s:g} s; a longer --timeout gives it more, and -v shows where it is"
        ) from exc
    output = done.stdout or ""
    if options.keyword and done.returncode in {_WRONG_USAGE, _NO_TESTS}:
        raise KitError(f"no test of the kit fits -k {options.keyword!r}; it takes what 'pytest -k' does")
    if done.returncode not in {0, _FAILED_TESTS}:
        raise KitError(f"pytest ended with status {done.returncode}:\n{_end_of(output)}")
    return output


def _end_of(output: str) -> str:
    return "\n".join(output.splitlines()[-_LAST_LINES:])
