"""Calling hooks, with extensions around them."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from dynamo_core.errors import BrokenExtensionError, HookError
from dynamo_core.provider import ServiceEvent, ServiceInterface, hookimpl
from dynamo_core.provider.hookspecs import REQUIRED_HOOKS
from dynamo_core.provider.manager import Extension, HookManager

from .fake_provider import FakeHooks, FakeOptions, define

if TYPE_CHECKING:
    from collections.abc import Generator

EVENT = ServiceEvent(kind="ready", service="Echo")


def call(manager: HookManager, hook: str) -> Any:
    """Call one hook with something of every argument."""
    arguments: dict[str, tuple[Any, ...]] = {
        "create_service": (define(), define().config, FakeOptions()),
        "create_dependency": (SimpleNamespace(attribute="a"), None, FakeOptions()),
        "run_services": (SimpleNamespace(name="g"), FakeOptions()),
        "serve_services": (SimpleNamespace(name="g"), FakeOptions()),
    }
    return getattr(manager, hook)(*arguments[hook])


def hooks_returning(value: Any) -> Any:
    """A hooks object all of whose hooks answer *value*."""

    class Constant:
        @hookimpl
        def create_service(self) -> Any:
            return value

        @hookimpl
        def create_dependency(self) -> Any:
            return value

        @hookimpl
        def run_services(self) -> Any:
            return value

        @hookimpl
        def serve_services(self) -> Any:
            return value

    return Constant()


@pytest.mark.parametrize("hook", REQUIRED_HOOKS)
@pytest.mark.parametrize(("value", "message"), [(None, "returned None"), ("text", "returned str")])
def test_unusable_answer_names_the_hook(hook: str, value: object, message: str) -> None:
    """None, or something of another type, is an error of the provider."""
    manager = HookManager("fake", hooks_returning(value))
    with pytest.raises(HookError, match=message) as caught:
        call(manager, hook)
    assert (caught.value.provider, caught.value.hook) == ("fake", hook)


def test_true_is_no_exit_code() -> None:
    """A bool is an int, and not meant."""
    with pytest.raises(HookError, match="returned bool"):
        call(HookManager("fake", hooks_returning(True)), "serve_services")


def test_coroutine_function_as_hook_is_told_apart() -> None:
    """A plain function is wanted; the coroutine is closed, so that nothing warns."""

    class Asynchronous(FakeHooks):
        @hookimpl
        async def run_services(self, services: Any, options: Any) -> Any:
            return services

    with pytest.raises(HookError, match="not async"):
        call(HookManager("fake", Asynchronous()), "run_services")


def test_extension_wraps_a_hook() -> None:
    """It sees the call and may change the answer."""

    class Wrapping:
        @hookimpl(wrapper=True)
        def serve_services(self) -> Any:
            return (yield) + 1

    manager = HookManager("fake", FakeHooks(), [Extension("ext", Wrapping())])
    assert call(manager, "serve_services") == 8


def test_extension_may_be_a_module_like_object() -> None:
    """Plain functions in a namespace are hooks too."""
    heard: list[ServiceEvent] = []

    @hookimpl
    def on_service_event(event: ServiceEvent) -> None:
        heard.append(event)

    HookManager(
        "fake", FakeHooks(), [Extension("ext", SimpleNamespace(on_service_event=on_service_event))]
    ).emit(EVENT)
    assert heard == [EVENT]


def test_misspelt_hook_of_an_extension_names_the_extension() -> None:
    """pluggy alone would pass over it."""

    class Misspelt:
        @hookimpl
        def on_service_events(self, event: ServiceEvent) -> None: ...

    with pytest.raises(HookError, match="did you mean 'on_service_event'") as caught:
        HookManager("fake", FakeHooks(), [Extension("dist:ext", Misspelt())])
    assert caught.value.provider == "dist:ext"


def test_wrapper_that_does_not_yield_is_refused() -> None:
    """Whatever pluggy finds at registration is a HookError too."""

    class Wrapping:
        @hookimpl(wrapper=True)
        def serve_services(self) -> int:
            return 1

    with pytest.raises(HookError, match="not a generator"):
        HookManager("fake", FakeHooks(), [Extension("ext", Wrapping())])


def test_events_cannot_be_wrapped() -> None:
    """Everybody hears them alone, so that nobody can keep them from others."""

    class Wrapping:
        @hookimpl(wrapper=True)
        def on_service_event(self, event: ServiceEvent) -> Any:
            yield

    with pytest.raises(HookError, match="not wrapped"):
        HookManager("fake", FakeHooks(), [Extension("ext", Wrapping())])


def test_same_extension_twice_is_refused() -> None:
    """Its events would come twice."""

    class Hearing:
        @hookimpl
        def on_service_event(self, event: ServiceEvent) -> None: ...

    with pytest.raises(HookError):
        HookManager("fake", FakeHooks(), [Extension("ext", Hearing()), Extension("ext", Hearing())])


def test_failing_listener_is_logged_and_the_others_hear_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An event is told to everybody."""
    heard: list[str] = []

    class Hearing:
        def __init__(self, name: str) -> None:
            self.name = name

        @hookimpl
        def on_service_event(self, event: ServiceEvent) -> None:
            heard.append(self.name)
            if self.name == "b":
                raise ValueError("deaf")

    extensions = [Extension(name, Hearing(name)) for name in "abc"]
    with caplog.at_level(logging.ERROR):
        manager = HookManager("fake", FakeHooks(), extensions)
        manager.emit(EVENT)
        manager.emit(EVENT)
    assert sorted(heard) == ["a", "a", "b", "c", "c"]
    assert [record.getMessage() for record in caplog.records] == [
        "b raised ValueError: deaf when told of 'ready'; it is told of nothing more"
    ]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_extension_that_raises_around_a_hook_is_named(moment: str) -> None:
    """With what leaves it out; what the provider itself raises stays as it is."""

    class Clumsy:
        @hookimpl(wrapper=True)
        def create_service(self) -> Generator[None, object, object]:
            if moment == "before":
                raise ValueError("no luck")
            yield
            raise ValueError("no luck")

    manager = HookManager("fake", FakeHooks(), [Extension("dynamo-clumsy:clumsy", Clumsy())])
    with pytest.raises(
        BrokenExtensionError, match="'create_service': it raised ValueError: no luck"
    ) as caught:
        call(manager, "create_service")
    assert (caught.value.name, caught.value.distribution) == ("clumsy", "dynamo-clumsy")
    assert "DYNAMO_DISABLE_PLUGINS=clumsy" in str(caught.value)


def test_what_a_provider_raises_is_not_put_down_to_extensions() -> None:
    """It goes through them on its way out."""

    class Failing(FakeHooks):
        @hookimpl
        def create_service(self) -> ServiceInterface:
            raise OSError("disk")

    class Passing:
        @hookimpl(wrapper=True)
        def create_service(self) -> Generator[None, object, object]:
            return (yield)

    manager = HookManager("fake", Failing(), [Extension("dynamo-passing:passing", Passing())])
    with pytest.raises(OSError, match="disk"):
        call(manager, "create_service")


def test_hook_may_leave_out_arguments_it_does_not_need() -> None:
    """So that new ones break nobody."""
    code = HookManager("fake", hooks_returning(3)).serve_services(SimpleNamespace(name="g"), FakeOptions())  # type: ignore[arg-type]  # nothing of it is used
    assert code == 3
