"""``dynamo providers``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ..provider.fake_site import PROVIDER

if TYPE_CHECKING:
    from ..provider.fake_site import FakeSite


def rows(site: FakeSite, *arguments: str, **environ: str) -> dict[str, dict[str, Any]]:
    """The JSON rows of ``providers list`` by distribution."""
    done = site.run("-m", "dynamo_core.cli", "providers", "list", "--json", *arguments, **environ)
    assert done.returncode == 0, done.stderr
    return {row["distribution"]: row for row in json.loads(done.stdout)}


def test_list_shows_every_candidate_with_its_state(site: FakeSite) -> None:
    """What metadata can tell is told, and nothing ends the command."""
    site.add_provider("sound")
    site.add_provider("bare", manifest=None)
    site.add_provider("dated", contract="<1.0")
    site.add_provider("system", value="os:system")
    site.add_provider("../../etc/x", distribution="dynamo-climbing")
    site.add_provider("circus\u200b", distribution="dynamo-hidden")
    site.add_provider("twin", distribution="dynamo-twin")
    site.add_provider("twin", distribution="dynamo-twin-too")
    found = rows(site, DYNAMO_PROVIDER="sound")
    states = {name: row["state"] for name, row in found.items()}
    assert states["dynamo-sound"] == "ok"
    for broken in ("bare", "dated", "system", "climbing", "hidden"):
        assert states[f"dynamo-{broken}"] == "broken", broken
        assert found[f"dynamo-{broken}"]["cause"]
    assert states["dynamo-twin"] == states["dynamo-twin-too"] == "duplicate"
    sound = found["dynamo-sound"]
    assert sound["chosen"] is True
    assert sound["version"] == "1.2.3"
    assert sound["capabilities"]["gpu"] == {"level": "refused", "reason": "there is none"}
    assert sound["file"].endswith("dynamo_sound/dynamo-provider.toml")
    assert sound["checked"] is False


def test_list_off_a_terminal_is_plain(site: FakeSite) -> None:
    """One row per line, the chosen one marked, hidden characters shown."""
    site.add_provider("sound")
    site.add_provider("circus\u200b", distribution="dynamo-hidden")
    done = site.run("-m", "dynamo_core", "providers", "list", DYNAMO_PROVIDER="sound")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NAME", "DISTRIBUTION", "VERSION", "CONTRACT", "MATURITY", "GRADE", "STATE"]
    (sound,) = [line for line in lines if "dynamo-sound" in line]
    assert sound.split() == ["*", "sound", "dynamo-sound", "1.2.3", ">=1.0,<2", "-", "-", "ok"]
    assert "circus\\u200b" in done.stdout
    assert "\u200b" not in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


FAULTS = {
    "raises": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "exits": ("raise SystemExit(3)", "tried to end the program"),
    "vanishes": ("import os; os._exit(0)", "ended its process with status 0"),
    "prints": ("print('x' * 100_000, flush=True); raise RuntimeError('loud')", "RuntimeError: loud"),
    "misspelt": (
        PROVIDER.replace("def create_service", "def create_servise"),
        "did you mean 'create_service'",
    ),
    "imports": ("import absent_library", "No module named 'absent_library'"),
}


def test_check_shows_the_cause_of_each_failure(site: FakeSite) -> None:
    """A provider that raises on import is a row with its cause; so are those that end the process."""
    site.add_provider("sound")
    for name, (source, _) in FAULTS.items():
        site.add_provider(name, source)
    found = rows(site, "--check", DYNAMO_PROVIDER="sound")
    assert found["dynamo-sound"]["state"] == "ok"
    assert found["dynamo-sound"]["checked"] is True
    for name, (_, cause) in FAULTS.items():
        row = found[f"dynamo-{name}"]
        assert row["state"] == "broken", name
        assert cause in row["cause"]
    assert "pip install" in found["dynamo-raises"]["remedy"]


def test_explain_says_what_decided_and_why_the_others_lost(site: FakeSite) -> None:
    """It checks, so that a broken loser shows too."""
    site.add_provider("sound")
    site.add_provider("raises", "raise RuntimeError('no luck')")
    site.write("pyproject.toml", '[tool.dynamo]\nprovider = "sound"\n')
    done = site.run("-m", "dynamo_core.cli", "providers", "explain")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "chosen: sound (dynamo-sound 1.2.3)"
    assert lines[1].startswith("decided by: [tool.dynamo] of ")
    (loser,) = [line for line in lines if line.split()[:3] == ["raises", "dynamo-raises", "broken"]]
    assert "'sound' was asked for ([tool.dynamo]" in loser
    below = lines.index("dynamo-raises:raises is broken:")
    assert "RuntimeError: no luck; mend it with" in lines[below + 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[tool.dynamo]\nallow-providers = ["x"]\n', "tool.dynamo has no key 'allow-providers'"),
        ('[tool.dynamo]\nprovider = "absent"\n', "no provider is named 'absent'"),
        ("[tool.dynamo]\nallow = ['sound']\n", "an entry of the allow list must be"),
    ],
)
def test_list_says_why_none_is_marked(site: FakeSite, text: str, message: str) -> None:
    """Beside the table, which is data, and without failing."""
    site.add_provider("sound")
    site.write("pyproject.toml", text)
    done = site.run("-m", "dynamo_core", "providers", "list")
    assert done.returncode == 0
    assert "dynamo-sound" in done.stdout
    assert done.stderr.startswith("warning: none of them would be used: ")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["--provider", "absent"], {}, "no provider is named 'absent' (from --provider)"),
        ([], {"DYNAMO_PROVIDER": "absent"}, "(from DYNAMO_PROVIDER)"),
        (["--provider", "../x"], {}, "can be no provider's name"),
        (["--provider", "twin"], {}, "claimed by several distributions: dynamo-twin, dynamo-twin-too"),
        (["--provider", "bare"], {}, "has no dynamo-provider.toml"),
        (["--provider", "dated"], {}, "upgrade dynamo-dated"),
    ],
)
def test_explain_of_a_failing_choice_shows_the_rows_and_exits_5(
    site: FakeSite, arguments: list[str], environ: dict[str, str], message: str
) -> None:
    """The table is data, the error a message."""
    site.add_provider("twin", distribution="dynamo-twin")
    site.add_provider("twin", distribution="dynamo-twin-too")
    site.add_provider("bare", manifest=None)
    site.add_provider("dated", contract="<1.0")
    done = site.run("-m", "dynamo_core.cli", "providers", "explain", "--no-check", *arguments, **environ)
    assert done.returncode == 5
    assert "dynamo-twin-too" in done.stdout
    assert message in done.stderr
    assert done.stderr.startswith("error: ")


def test_distribution_can_be_named(site: FakeSite) -> None:
    """That settles a duplicate."""
    site.add_provider("twin", distribution="dynamo-twin")
    site.add_provider("twin", distribution="dynamo-twin-too")
    done = site.run(
        "-m", "dynamo_core.cli", "providers", "explain", "--json", "--provider", "dynamo-twin-too:twin"
    )
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["chosen"], data["distribution"], data["source"]) == ("twin", "dynamo-twin-too", "--provider")
    assert all(row["reason"] for row in data["candidates"])


def test_wrong_project_file_gives_the_exit_code_of_configuration(site: FakeSite) -> None:
    """And its path."""
    site.write("pyproject.toml", "[tool")
    done = site.run("-m", "dynamo_core.cli", "providers", "explain", "--no-check")
    assert done.returncode == 4
    assert "pyproject.toml is not TOML" in done.stderr


def test_two_hundred_distributions_are_listed(site: FakeSite) -> None:
    """180 are none of ours; of the 20 that are, 5 are broken in their metadata, and none is imported."""
    for number in range(180):
        site.add_distribution(f"other-{number}", f"[console_scripts]\nother-{number} = other:main\n")
    for number in range(15):
        site.add_provider(f"p{number}", "raise RuntimeError('imported')")
    site.add_provider("bare", "raise RuntimeError", manifest=None)
    site.add_provider("dated", "raise RuntimeError", contract="<1.0")
    site.add_provider("newer", "raise RuntimeError", contract=">=7")
    site.add_provider("garbled", "raise RuntimeError", manifest="[broken")
    site.add_provider("Misnamed", "raise RuntimeError")
    found = rows(site, DYNAMO_PROVIDER="p3")
    states = [row["state"] for row in found.values() if str(site.path) in (row["file"] or str(site.path))]
    assert (states.count("ok"), states.count("broken"), len(states)) == (15, 5, 20)
    assert not [name for name in found if name.startswith("other-")]
    assert found["dynamo-p3"]["chosen"] is True


def test_help_shows_the_variable_and_the_default(site: FakeSite) -> None:
    """For each option that has one."""
    done = site.run("-m", "dynamo_core.cli", "providers", "explain", "--help")
    words = " ".join(done.stdout.split())
    assert "env var: DYNAMO_PROVIDER" in words
    assert "[default: check]" in words
