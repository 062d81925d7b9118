"""Loading what is installed in the group ``dynamo.plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dynamo_core.errors import ConfigError
from dynamo_core.provider.extensions import BrokenExtensionError, add_extensions
from dynamo_core.provider.manager import HookManager

from .fake_provider import FakeHooks, FakeTarget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .fake_site import FakeSite

HOOKS = """
from dynamo_core.provider import hookimpl

class Watch:
    @hookimpl
    def on_service_event(self, event): ...
"""


def add(site: FakeSite, source: str, value: str = "watching:Watch") -> None:
    """Install one extension."""
    site.write("watching.py", source)
    site.add_distribution("dynamo-watch", f"[dynamo.plugins]\nwatch = {value}\n")


class Loading:
    """The hooks of a provider with what is installed around them."""

    def __init__(self, cwd: Path, environ: Mapping[str, str], *, is_strict: bool | None = None) -> None:
        self.manager = HookManager("fake", FakeHooks())
        self.broken = add_extensions(self.manager, environ, cwd, is_strict=is_strict)

    @property
    def names(self) -> list[str]:
        found = [name for name, _ in self.manager._manager.list_name_plugin()]
        return [name for name in found if name.startswith("dynamo-watch:")]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("", "utf-8")
    return tmp_path


@pytest.mark.parametrize("value", ["watching:Watch", "watching"])
def test_class_is_built_and_module_taken(site: FakeSite, project: Path, value: str) -> None:
    """Both are extensions."""
    add(site, HOOKS, value)
    assert Loading(project, {}).names == ["dynamo-watch:watch"]


@pytest.mark.parametrize("disabled", ["watch", "other, watch", "dynamo-watch:watch", "all"])
def test_disabled_extension_is_not_imported(site: FakeSite, project: Path, disabled: str) -> None:
    """Not even a broken one."""
    add(site, "raise RuntimeError")
    loading = Loading(project, {"DYNAMO_DISABLE_PLUGINS": disabled}, is_strict=True)
    assert loading.names == []


@pytest.mark.parametrize(
    "environ", [{"DYNAMO_ALLOW_PROVIDERS": "dynamo.providers:dynamo-watch, dynamo.plugins:other"}, {}]
)
def test_extension_that_is_not_allowed_is_not_imported(
    site: FakeSite, project: Path, environ: dict[str, str]
) -> None:
    """By the variable or by the project; being allowed as a provider is something else."""
    (project / "pyproject.toml").write_text('[tool.dynamo]\nallow = ["dynamo.plugins:other"]\n', "utf-8")
    add(site, "raise RuntimeError")
    assert Loading(project, environ, is_strict=True).names == []
    allowed = Loading(project, {"DYNAMO_ALLOW_PROVIDERS": "dynamo.plugins:dynamo-watch"})
    assert [broken.name for broken in allowed.broken] == ["watch"]


BROKEN = [
    ("raise SystemExit(2)", "tried to end the program"),
    ("", "has no 'Watch'"),
    ("class Watch:\n    def __init__(self, x): ...", "TypeError"),
    (HOOKS.replace("on_service_event", "on_servise_event"), "did you mean 'on_service_event'"),
    (HOOKS.replace("(self, event)", "(self, evnt)"), "did you mean 'event'"),
    (f"{HOOKS}\n    def __dir__(self): raise RuntimeError('no luck')\n", "RuntimeError: no luck"),
]


@pytest.mark.parametrize(("source", "cause"), BROKEN)
def test_broken_extension_is_named_and_left_out(
    site: FakeSite, project: Path, source: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are there all the same; it is never left out silently."""
    add(site, source)
    site.write("listening.py", HOOKS)
    site.add_distribution("dynamo-watch-too", "[dynamo.plugins]\nzoo = listening:Watch\n")
    loading = Loading(project, {})
    (broken,) = loading.broken
    assert cause in broken.cause
    assert loading.names == []
    assert "dynamo-watch-too:zoo" in dict(loading.manager._manager.list_name_plugin())
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "left out: extension 'watch' of dynamo-watch is broken" in record.getMessage()


@pytest.mark.parametrize(("source", "cause"), BROKEN)
@pytest.mark.parametrize("is_strict", [True, None])
def test_broken_extension_is_an_error_where_that_is_strict(
    site: FakeSite, project: Path, source: str, cause: str, is_strict: bool | None
) -> None:
    """The message says how to go on without it."""
    add(site, source)
    with pytest.raises(BrokenExtensionError) as caught:
        Loading(project, {"DYNAMO_STRICT": "yes"}, is_strict=is_strict)
    assert cause in caught.value.cause
    assert "DYNAMO_DISABLE_PLUGINS=watch" in str(caught.value)


def test_variable_that_says_neither_yes_nor_no_is_an_error(project: Path) -> None:
    """It is not guessed at."""
    with pytest.raises(ConfigError, match="DYNAMO_STRICT must be one of 1, true"):
        Loading(project, {"DYNAMO_STRICT": "perhaps"})


def test_interrupt_while_importing_goes_on(site: FakeSite, project: Path) -> None:
    """Ctrl-C is no fault of the extension."""
    add(site, "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Loading(project, {})


def test_target_is_strict_when_it_is_asked_to_be(
    site: FakeSite, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first use decides."""
    monkeypatch.chdir(project)
    add(site, "raise RuntimeError")
    with pytest.raises(BrokenExtensionError):
        FakeTarget().hook_manager(is_strict=True)
    target = FakeTarget()
    assert target.hook_manager() is target.hook_manager(is_strict=True)
