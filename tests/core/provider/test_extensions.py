"""Loading what is installed in the group ``dynamo.plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dynamo_core.provider.extensions import BrokenExtensionError, load_extensions

if TYPE_CHECKING:
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


def names(environ: dict[str, str]) -> list[str]:
    """Names of what is loaded from this test's distribution."""
    return [e.name for e in load_extensions(environ) if e.name.startswith("dynamo-watch:")]


@pytest.mark.parametrize("value", ["watching:Watch", "watching"])
def test_class_is_built_and_module_taken(site: FakeSite, value: str) -> None:
    """Both are extensions."""
    add(site, HOOKS, value)
    assert names({}) == ["dynamo-watch:watch"]


@pytest.mark.parametrize("disabled", ["watch", "other, watch", "all"])
def test_disabled_extension_is_not_imported(site: FakeSite, disabled: str) -> None:
    """Not even a broken one."""
    add(site, "raise RuntimeError")
    assert names({"DYNAMO_DISABLE_PLUGINS": disabled}) == []


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("raise SystemExit(2)", "tried to end the program"),
        ("", "has no 'Watch'"),
        ("class Watch:\n    def __init__(self, x): ...", "TypeError"),
    ],
)
def test_broken_extension_says_how_to_go_on_without_it(site: FakeSite, source: str, cause: str) -> None:
    """It is never left out silently."""
    add(site, source)
    with pytest.raises(BrokenExtensionError, match=cause) as caught:
        load_extensions({})
    assert "DYNAMO_DISABLE_PLUGINS=watch" in str(caught.value)


def test_interrupt_while_importing_goes_on(site: FakeSite) -> None:
    """Ctrl-C is no fault of the extension."""
    add(site, "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_extensions({})
