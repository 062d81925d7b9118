"""Errors, exit codes and what people see of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

import dynamo_core.errors
from dynamo_core.cli import console, entry, run
from dynamo_core.cli.commands import COMMANDS, CommandEntry
from dynamo_core.cli.root import dynamo
from dynamo_core.control import ServiceState
from dynamo_core.errors import (
    EXIT_DECLARATION,
    EXIT_FAILURE,
    EXIT_NOT_STARTED,
    EXIT_USAGE,
    GraphLoadError,
    StartError,
)

from .runs_for_tests import live_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..provider.fake_site import FakeSite


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Add a command ``fail`` that raises what it is given."""

    def add(exc: BaseException) -> None:
        def fail() -> None:
            raise exc

        monkeypatch.setitem(dynamo.commands, "fail", click.Command("fail", callback=fail))

    return add


def test_error_of_ours_is_one_line_and_its_exit_code(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, without a traceback."""
    failing(GraphLoadError("a:B", "no module named 'a'"))
    assert run(["fail"]) == EXIT_DECLARATION
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: cannot load graph 'a:B': no module named 'a'\n"


def test_failed_start_shows_the_last_lines_of_the_culprit(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the power to move the cursor."""
    failing(StartError("Backend", "exit status 1", slot=0, last_lines=["one", "two\x1b[2J"]))
    assert run(["fail"]) == EXIT_NOT_STARTED
    _, err = capsys.readouterr()
    assert err == "error: service Backend/0 did not start: exit status 1\n  | one\n  | two\\x1b[2J\n"


def test_unexpected_error_is_one_line_and_the_place_of_its_traceback(
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file is this user's alone."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failing(ValueError("a\nb"))
    assert run(["fail"]) == EXIT_FAILURE
    _, err = capsys.readouterr()
    found = re.fullmatch(r"error: unexpected ValueError: a b; its traceback is in (\S+)\n", err)
    assert found is not None, err
    path = Path(found[1])
    assert "raise exc" in path.read_text("utf-8")
    assert path.stat().st_mode & 0o777 == 0o600


def test_traceback_that_cannot_be_kept_is_asked_for(
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk does not hide the error."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    failing(ValueError("bad"))
    assert run(["fail"]) == EXIT_FAILURE
    assert "dynamo --debug" in capsys.readouterr().err


def test_debug_shows_the_traceback(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of expected errors too."""
    failing(GraphLoadError("a:B", "no"))
    assert run(["--debug", "fail"]) == EXIT_DECLARATION
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("exc", "code"),
    [(KeyboardInterrupt(), 130), (click.Abort(), 130), (BrokenPipeError(), 141), (click.UsageError("no"), 2)],
)
def test_ending_has_its_code(failing: Callable[[BaseException], None], exc: BaseException, code: int) -> None:
    """Ctrl-C and a closed pipe are quiet."""
    failing(exc)
    assert run(["fail"]) == code


def test_interrupt_is_quiet(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever pressed it knows."""
    failing(KeyboardInterrupt())
    run(["fail"])
    assert capsys.readouterr() == ("", "")


def test_command_may_return_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``serve`` does with the provider's."""
    monkeypatch.setitem(dynamo.commands, "seven", click.Command("seven", callback=lambda: 7))
    assert run(["seven"]) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["provider"], "no such command 'provider', did you mean 'providers'?"),
        (["xyz"], "no such command 'xyz' (commands: "),
        (["--nonsense"], "--nonsense"),
        (["providers", "list", "--jsn"], "--jsn"),
    ],
)
def test_wrong_command_line_is_a_usage_error(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what was meant."""
    assert run(arguments) == EXIT_USAGE
    assert message in capsys.readouterr().err


def test_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"dynamo, version {version('dynamo-core')}\n"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_table_repeats_what_the_command_says_of_itself(name: str) -> None:
    """So that ``--help`` need not import it."""
    with click.Context(dynamo) as context:
        command = dynamo.get_command(context, name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(200) == COMMANDS[name].summary


def test_command_is_imported_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not for the list of commands."""
    monkeypatch.setitem(dynamo.entries, "broken", CommandEntry("absent_module:command", "Broken."))
    result = CliRunner().invoke(dynamo, ["--help"])
    assert result.exit_code == 0
    assert "Broken." in result.output
    with pytest.raises(ModuleNotFoundError):
        CliRunner().invoke(dynamo, ["broken"], catch_exceptions=False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_names_the_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For each shell."""
    assert run(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert "_DYNAMO_COMPLETE" in out
    assert "dynamo" in out


def test_completion_without_a_shell_asks_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says so when that does not help."""
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert run(["completion"]) == 0
    assert "compdef" in capsys.readouterr().out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert run(["completion"]) == EXIT_USAGE


def test_completion_completes_lazy_commands(site: FakeSite) -> None:
    """Names come from the table, options from the command."""
    done = site.run(
        "-m", "dynamo_core.cli", _DYNAMO_COMPLETE="bash_complete", COMP_WORDS="dynamo prov", COMP_CWORD="1"
    )
    assert done.stdout.split() == ["plain,providers"], done.stderr


def completions(site: FakeSite, line: str, **environ: str) -> list[str]:
    """What bash would be told for the last word of a line."""
    words = line.split(" ")
    done = site.run(
        "-m",
        "dynamo_core.cli",
        _DYNAMO_COMPLETE="bash_complete",
        COMP_WORDS=line,
        COMP_CWORD=str(len(words) - 1),
        **environ,
    )
    assert done.returncode == 0, done.stderr
    return [each.partition(",")[2] for each in done.stdout.split()]


def test_arguments_are_completed(site: FakeSite, folder: Path) -> None:
    """Runs and services that are there, what files hold, and installed providers; nothing is imported."""
    site.add_provider("loud", "raise RuntimeError('imported')")
    site.write(
        "apps/shop.py",
        """
        raise RuntimeError("imported")
        @service
        class Cart: ...
        @dynamo_core.service(workers=2)
        class Till: ...
        class Other: ...
        graph = link(Cart, Till)
        """,
    )
    site.write("apps/broken.py", "def (")
    with live_run(folder, ServiceState(name="Cart"), ServiceState(name="Till")) as running:
        runs = {"DYNAMO_RUNTIME_DIR": str(folder)}
        assert completions(site, "dynamo stop ", **runs) == ["Frontend", running.run_id]
        assert completions(site, "dynamo restart T", **runs) == ["Till"]
        assert completions(site, "dynamo scale --run absent C", **runs) == []
        assert completions(site, "dynamo call C", **runs) == ["Cart."]
        assert completions(site, "dynamo logs --service C", **runs) == ["Cart"]
    assert completions(site, "dynamo serve a") == ["apps/"]
    names = ["apps/shop.py:Cart", "apps/shop.py:Till", "apps/shop.py:graph"]
    assert completions(site, "dynamo graph apps/") == names
    assert completions(site, "dynamo serve apps/shop.py:C") == names[:1]
    assert completions(site, "dynamo providers show lo") == ["loud"]
    assert completions(site, "dynamo serve --provider lo") == ["loud"]


def test_closed_pipe_is_quiet(site: FakeSite) -> None:
    """As with ``dynamo ... | head -1``."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "dynamo_core.cli", "providers", "list"],
            env=site.environ(),
            cwd=site.path,
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (entry.EXIT_OUTPUT_CLOSED, b"")


def test_interrupted_process_ends_quietly(site: FakeSite) -> None:
    """With 130, whatever it was doing."""
    source = """
import os, signal, sys
import click
from dynamo_core.cli import main
from dynamo_core.cli.root import dynamo

@dynamo.command("hang")
def hang():
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()

sys.argv = ["dynamo", "hang"]
main()
"""
    done = site.run("-c", source)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "")


class Terminal:
    """A stream that a person looks at."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


def test_terminal_gets_colours_and_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """rich reads nothing in the text as markup."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    console.message("it is [bold]wrong[/bold]\x1b[2J", kind="error")
    console.write_table(["NAME"], [["[red]x\u200b"]])
    assert "\x1b[1;31merror: \x1b[0m" in terminal.text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.text)
    assert "error: it is [bold]wrong[/bold]\\x1b[2J\n" in plain
    assert "[red]x\\u200b" in plain
    assert "\x1b[2J" not in terminal.text


def test_every_exit_code_is_documented() -> None:
    """By name and number, in the reference."""
    path = Path(dynamo_core.errors.__file__).parents[1] / "docs" / "reference" / "exit-codes.md"
    text = path.read_text("utf-8")
    for module in (dynamo_core.errors, entry):
        for name, value in vars(module).items():
            if name.startswith("EXIT_"):
                assert f"| {value} | `{name}` |" in text
