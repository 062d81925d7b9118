"""Which provider is chosen, and the reasons given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dynamo_core.errors import (
    AmbiguousProviderError,
    ConfigError,
    DuplicateProviderError,
    InvalidProviderNameError,
    ManifestError,
    ProviderNotFoundError,
)
from dynamo_core.provider.discovery import ProviderCandidate
from dynamo_core.provider.selection import explain_selection, select_provider

if TYPE_CHECKING:
    from pathlib import Path


def candidate(name: str, distribution: str | None = None) -> ProviderCandidate:
    """An installed provider with nothing against it."""
    return ProviderCandidate(name, f"{name}:Target", distribution or f"dynamo-{name}", "1.0")


CORE = candidate("inprocess", "dynamo-core")
CIRCUS = candidate("circus")
BENTOML = candidate("bentoml")
OTHER = candidate("other")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an empty ``pyproject.toml``, so that nothing above it counts."""
    (tmp_path / "pyproject.toml").write_text("", "utf-8")
    return tmp_path


def choose(
    project: Path, *installed: ProviderCandidate, explicit: str | None = None, variable: str | None = None
) -> tuple[str, str]:
    """Name and source of what is chosen."""
    environ = {} if variable is None else {"DYNAMO_PROVIDER": variable}
    selection = select_provider(explicit, environ=environ, cwd=project, candidates=installed)
    assert selection.candidate is not None
    return selection.candidate.qualified_name, selection.source


def test_command_line_is_above_everything(project: Path) -> None:
    """Environment, project and default do not matter then."""
    (project / "pyproject.toml").write_text('[tool.dynamo]\nprovider = "bentoml"\n', "utf-8")
    chosen = choose(project, CORE, CIRCUS, BENTOML, explicit="inprocess", variable="circus")
    assert chosen == ("dynamo-core:inprocess", "--provider")


def test_environment_is_above_the_project(project: Path) -> None:
    """The variable names the source."""
    (project / "pyproject.toml").write_text('[tool.dynamo]\nprovider = "bentoml"\n', "utf-8")
    assert choose(project, CIRCUS, BENTOML, variable="circus") == ("dynamo-circus:circus", "DYNAMO_PROVIDER")


def test_empty_variable_counts_as_unset(project: Path) -> None:
    """As everywhere in a shell."""
    assert choose(project, CORE, CIRCUS, variable="")[1] == "the only one installed"


def test_project_is_above_the_default(project: Path) -> None:
    """The file is named."""
    path = project / "pyproject.toml"
    path.write_text('[tool.dynamo]\nprovider = "circus"\n', "utf-8")
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    assert choose(inner, CIRCUS, BENTOML) == ("dynamo-circus:circus", f"[tool.dynamo] of {path}")


def test_only_the_nearest_project_file_counts(project: Path) -> None:
    """One without the table does not send the search further up."""
    (project / "pyproject.toml").write_text('[tool.dynamo]\nprovider = "circus"\n', "utf-8")
    inner = project / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[project]\n", "utf-8")
    assert choose(inner, CIRCUS, BENTOML)[1] == "the default"


def test_default_is_above_the_others(project: Path) -> None:
    """It is used where it is installed."""
    assert choose(project, CORE, CIRCUS, BENTOML, OTHER) == ("dynamo-bentoml:bentoml", "the default")


def test_only_other_one_is_used(project: Path) -> None:
    """The one in core does not make it ambiguous."""
    assert choose(project, CORE, CIRCUS) == ("dynamo-circus:circus", "the only one installed")


def test_core_is_used_when_nothing_else_is_installed(project: Path) -> None:
    """And that is told in one line."""
    selection = select_provider(environ={}, cwd=project, candidates=[CORE])
    assert selection.candidate is CORE
    assert selection.notice is not None
    assert "pip install dynamo-circus" in selection.notice
    assert "\n" not in selection.notice


def test_named_core_needs_no_notice(project: Path) -> None:
    """Who asks for it knows."""
    assert select_provider("inprocess", environ={}, cwd=project, candidates=[CORE]).notice is None


def test_several_others_are_ambiguous(project: Path) -> None:
    """Both are named."""
    with pytest.raises(AmbiguousProviderError) as caught:
        choose(project, CORE, CIRCUS, OTHER)
    assert caught.value.candidates == ("circus", "other")


def test_nothing_installed_is_an_error(project: Path) -> None:
    """Core's own provider may be missing in a broken installation."""
    with pytest.raises(ProviderNotFoundError, match="installed: none"):
        choose(project)


def test_unknown_name_says_who_asked_and_what_there_is(project: Path) -> None:
    """Facts are attributes."""
    with pytest.raises(ProviderNotFoundError) as caught:
        choose(project, CORE, CIRCUS, variable="other")
    assert caught.value.source == "DYNAMO_PROVIDER"
    assert caught.value.installed == ("circus", "inprocess")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../../etc/x",
        "circus\u200b",
        "Circus",
        "os.system",
        "a/b",
        ":circus",
        "a b:circus",
        "a:b:circus",
        "-x:circus",
    ],
)
def test_text_that_can_be_no_name_is_refused_and_never_imported(project: Path, name: str) -> None:
    """Before it is looked up anywhere."""
    with pytest.raises(InvalidProviderNameError):
        choose(project, CIRCUS, explicit=name)


TWINS = (candidate("twin", "dynamo-twin"), candidate("twin", "twin_too"))


def test_two_distributions_of_one_name_are_refused_by_both_names(project: Path) -> None:
    """The first on the path must not win silently."""
    with pytest.raises(DuplicateProviderError) as caught:
        choose(project, *TWINS, explicit="twin")
    assert caught.value.distributions == ("dynamo-twin", "twin_too")


def test_duplicate_is_refused_as_the_only_one_too(project: Path) -> None:
    """However it would come to be chosen."""
    with pytest.raises(DuplicateProviderError):
        choose(project, CORE, *TWINS)


def test_duplicate_default_is_refused(project: Path) -> None:
    """The default's name protects nothing."""
    with pytest.raises(DuplicateProviderError):
        choose(project, BENTOML, candidate("bentoml", "impostor"))


@pytest.mark.parametrize("asked", ["twin_too:twin", "Twin-Too:twin", "twin.too:twin"])
def test_distribution_decides_between_two(project: Path, asked: str) -> None:
    """Its name is compared as installers compare it."""
    assert choose(project, *TWINS, explicit=asked)[0] == "twin_too:twin"


def test_wrong_distribution_is_not_found(project: Path) -> None:
    """The name alone is not enough then."""
    with pytest.raises(ProviderNotFoundError, match="'absent:twin'"):
        choose(project, *TWINS, explicit="absent:twin")


def test_name_outside_the_grammar_is_never_chosen(project: Path) -> None:
    """Not even when nothing else is installed."""
    odd = candidate("../../etc/x")
    selection = explain_selection(environ={}, cwd=project, candidates=[CORE, odd])
    assert selection.candidate is CORE
    assert "can never be chosen" in selection.rows[1].reason


def test_problem_of_the_chosen_one_is_raised(project: Path) -> None:
    """A broken provider is chosen all the same: mending it must not change the choice."""
    problem = ManifestError("circus", distribution="dynamo-circus", message="missing")
    broken = CIRCUS._replace(problem=problem)
    selection = explain_selection(environ={}, cwd=project, candidates=[CORE, broken])
    assert selection.candidate is broken
    assert selection.problem is problem
    with pytest.raises(ManifestError):
        choose(project, CORE, broken)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool", "is not TOML"),
        ("[tool.dynamo]\nprovider = 3\n", "must be a text, got 3"),
        ("[tool]\ndynamo = 3\n", "tool.dynamo must be a table"),
        ("[tool.dynamo]\nalow = []\n", "tool.dynamo has no key 'alow', did you mean 'allow'"),
    ],
)
def test_wrong_project_file_is_an_error_with_its_path(project: Path, text: str, message: str) -> None:
    """It is not passed over."""
    (project / "pyproject.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        choose(project, CIRCUS)
    assert str(project / "pyproject.toml") in str(caught.value)


def test_wrong_project_file_matters_even_to_who_asks(project: Path) -> None:
    """It might hold an allow list, so that nobody can tell what may be loaded."""
    (project / "pyproject.toml").write_text("[tool", "utf-8")
    with pytest.raises(ConfigError, match="is not TOML"):
        choose(project, CIRCUS, explicit="circus")


def test_every_candidate_has_a_row_with_a_reason(project: Path) -> None:
    """The winner says what decided, every other one why it lost."""
    selection = explain_selection(environ={}, cwd=project, candidates=[CORE, CIRCUS, BENTOML])
    assert [(row.candidate.name, row.is_chosen) for row in selection.rows] == [
        ("inprocess", False),
        ("circus", False),
        ("bentoml", True),
    ]
    reasons = [row.reason for row in selection.rows]
    assert "nothing else is installed" in reasons[0]
    assert "is the default" in reasons[1]
    assert reasons[2] == "chosen: the default"


def test_failure_is_explained_too(project: Path) -> None:
    """A choice that cannot be made has rows as well."""
    selection = explain_selection(environ={}, cwd=project, candidates=[*TWINS, OTHER, CORE])
    assert isinstance(selection.problem, AmbiguousProviderError)
    assert "twin_too too; ask for 'dynamo-twin:twin'" in selection.rows[0].reason
    assert "nothing says which one to use" in selection.rows[2].reason
    settings = explain_selection(
        environ={"DYNAMO_ALLOW_PROVIDERS": "circus"}, cwd=project, candidates=[CIRCUS]
    )
    assert settings.rows[0].reason == "nothing is chosen while the settings are wrong"
    asked = explain_selection("absent", environ={}, cwd=project, candidates=[OTHER])
    assert "(--provider) could not be chosen" in asked.rows[0].reason
