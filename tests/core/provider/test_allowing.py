"""What may be loaded is decided before anything of it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dynamo_core.errors import AmbiguousProviderError, ConfigError, ProviderNotAllowedError
from dynamo_core.provider.allowing import EVERYTHING, find_allow_list
from dynamo_core.provider.discovery import PROVIDERS_GROUP, ProviderCandidate
from dynamo_core.provider.selection import explain_selection, select_provider

if TYPE_CHECKING:
    from pathlib import Path

CORE = ProviderCandidate("inprocess", "dynamo_core.inprocess:Target", "dynamo-core", "1")
CIRCUS = ProviderCandidate("circus", "dynamo_circus:Target", "dynamo-circus", "1")
IMPOSTOR = ProviderCandidate("circus", "evil:Target", "dynamo-evil", "1")
BENTOML = ProviderCandidate("bentoml", "dynamo_bentoml:Target", "dynamo-bentoml", "1")
ALL = [BENTOML, CIRCUS, IMPOSTOR, CORE]
CIRCUS_ONLY = {"DYNAMO_ALLOW_PROVIDERS": "dynamo.providers:Dynamo_Circus"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("", "utf-8")
    return tmp_path


def test_without_a_list_everything_may_be_loaded(project: Path) -> None:
    """An empty variable is none."""
    assert find_allow_list({"DYNAMO_ALLOW_PROVIDERS": ""}, project) is EVERYTHING


def test_entry_names_group_and_distribution(project: Path) -> None:
    """However the distribution is spelt; another group is another entry."""
    allowed = find_allow_list(CIRCUS_ONLY, project)
    assert allowed.allows("dynamo.providers", "dynamo-circus")
    assert not allowed.allows("dynamo.plugins", "dynamo-circus")
    assert not allowed.allows("dynamo.providers", "dynamo-evil")
    assert allowed.allows(PROVIDERS_GROUP, "dynamo-core")


def test_project_has_a_list_and_the_variable_takes_its_place(project: Path) -> None:
    """As the environment comes before files everywhere."""
    (project / "pyproject.toml").write_text(
        '[tool.dynamo]\nallow = ["dynamo.plugins:a", "dynamo.providers:b"]'
    )
    allowed = find_allow_list({}, project)
    assert allowed.allows("dynamo.plugins", "a")
    assert not allowed.allows("dynamo.providers", "a")
    assert allowed.source == f"[tool.dynamo] of {project / 'pyproject.toml'}"
    assert not find_allow_list(CIRCUS_ONLY, project).allows("dynamo.plugins", "a")


@pytest.mark.parametrize(
    "entry", ["circus", "providers:x", ":x", "dynamo.providers:", "dynamo.providers:a b"]
)
def test_wrong_entry_is_an_error(project: Path, entry: str) -> None:
    """A bare name above all: anybody can publish one."""
    with pytest.raises(ConfigError, match=r"must be dynamo\.providers:DISTRIBUTION"):
        find_allow_list({"DYNAMO_ALLOW_PROVIDERS": entry}, project)


def test_wrong_list_of_a_project_is_an_error(project: Path) -> None:
    """With its file."""
    (project / "pyproject.toml").write_text('[tool.dynamo]\nallow = "dynamo.providers:b"')
    with pytest.raises(ConfigError, match="must be a list of texts"):
        find_allow_list({}, project)


def test_provider_that_is_not_allowed_cannot_be_asked_for(project: Path) -> None:
    """The message names the entry that it would need, and who holds the list."""
    with pytest.raises(ProviderNotAllowedError, match=r"'dynamo\.providers:dynamo-bentoml'") as caught:
        select_provider("bentoml", environ=CIRCUS_ONLY, cwd=project, candidates=ALL)
    assert caught.value.source == "DYNAMO_ALLOW_PROVIDERS"


def test_provider_that_is_not_allowed_does_not_count(project: Path) -> None:
    """Neither as the default, nor as a second one of a name."""
    selection = explain_selection(environ=CIRCUS_ONLY, cwd=project, candidates=ALL)
    assert selection.candidate is CIRCUS
    reasons = {row.candidate.distribution: row.reason for row in selection.rows}
    assert reasons["dynamo-bentoml"] == "not on the allow list (from DYNAMO_ALLOW_PROVIDERS)"
    assert reasons["dynamo-evil"] == reasons["dynamo-bentoml"]
    chosen = select_provider("circus", environ=CIRCUS_ONLY, cwd=project, candidates=ALL)
    assert chosen.candidate is CIRCUS


def test_fallback_tells_what_is_left_out(project: Path) -> None:
    """Nobody should be told to install what is there."""
    selection = explain_selection(
        environ={"DYNAMO_ALLOW_PROVIDERS": "dynamo.providers:other"}, cwd=project, candidates=[CORE, CIRCUS]
    )
    assert selection.notice is not None
    assert selection.notice.startswith("the allow list leaves out circus: 'inprocess' runs everything")


def test_list_does_not_choose(project: Path) -> None:
    """Two that are allowed are as ambiguous as ever."""
    both = {"DYNAMO_ALLOW_PROVIDERS": "dynamo.providers:dynamo-circus, dynamo.providers:other"}
    other = ProviderCandidate("other", "other:Target", "other", "1")
    with pytest.raises(AmbiguousProviderError):
        select_provider(environ=both, cwd=project, candidates=[CIRCUS, other, CORE])
