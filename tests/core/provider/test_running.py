"""Both forms of ``run_services``."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from dynamo_core.definition import ApiRoute
from dynamo_core.errors import DynamoError, HookError, ServiceNotFoundError
from dynamo_core.provider import RunStatus
from dynamo_core.provider.binding import bind_graph, run_graph, serve_graph
from dynamo_core.provider.blocking import BlockingServices
from dynamo_core.provider.loop_thread import BlockedLoopError, LoopThread, RunEndedError

from .fake_provider import Echo, FakeOptions, FakeRunning, FakeTarget, define, graph


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget()


def blocking(target: FakeTarget, **options: Any) -> Any:
    """A run in the blocking form; typed loosely, because the form has members that the provider added."""
    return run_graph(target, graph(define()), options=options)


async def test_async_form_gives_what_the_provider_yields(target: FakeTarget) -> None:
    """On the caller's own loop."""
    async with run_graph(target, graph(define()), options={"color": "blue"}) as running:
        assert isinstance(running, FakeRunning)
        assert (await running.status()).state == "ready"
    assert target.given.asked == [("create_service", "Echo", "blue"), ("start", "Echo", "blue"), ("end",)]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
async def test_what_the_block_raises_leaves_it_unchanged(target: FakeTarget, error: BaseException) -> None:
    """And the provider never sees it."""
    with pytest.raises(type(error)) as caught:
        async with run_graph(target, graph(define())):
            raise error
    assert caught.value is error
    assert caught.value.__context__ is None
    assert target.given.seen == []
    assert target.given.asked[-1] == ("end",)


async def test_cancellation_goes_through_the_provider(target: FakeTarget) -> None:
    """Time limits of its own depend on it."""

    async def run() -> None:
        async with run_graph(target, graph(define())):
            entered.set()
            await asyncio.Event().wait()

    entered = asyncio.Event()
    task = asyncio.create_task(run())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [type(exc) for exc in target.given.seen] == [asyncio.CancelledError]


async def test_failure_at_the_end_leaves_when_the_block_raised_nothing(target: FakeTarget) -> None:
    """Otherwise the block's own error is the one that leaves."""
    target.given.fail_at_end = OSError("at the end")
    with pytest.raises(OSError, match="at the end"):
        async with run_graph(target, graph(define())):
            pass
    with pytest.raises(ValueError, match="mine"):
        async with run_graph(target, graph(define())):
            raise ValueError("mine")


async def test_context_that_yields_something_else_is_left_again(target: FakeTarget) -> None:
    """The hook's fault leaves nothing running."""

    class Context:
        left = False

        async def __aenter__(self) -> str:
            return "running"

        async def __aexit__(self, *_: object) -> None:
            Context.left = True

    target.given.run = lambda *_: Context()  # type: ignore[method-assign]  # a faulty provider
    with pytest.raises(HookError, match="yields RunningServices"):
        async with run_graph(target, graph(define())):
            pass
    assert Context.left


async def test_run_is_entered_once(target: FakeTarget) -> None:
    """A second time needs a second run."""
    run = run_graph(target, graph(define()))
    async with run:
        pass
    with pytest.raises(DynamoError, match="entered already"):
        async with run:
            pass


async def test_plain_with_on_a_running_loop_says_what_to_use(target: FakeTarget) -> None:
    """It would block the loop that everything else needs."""
    with pytest.raises(BlockedLoopError, match="async with"), run_graph(target, graph(define())):
        pass
    assert target.given.asked == []


def test_plain_with_gives_the_blocking_form(target: FakeTarget) -> None:
    """The same names, blocking, on a thread of its own that ends with the block."""
    with blocking(target) as running:
        assert isinstance(running, BlockingServices)
        assert running.status() == RunStatus(graph="Echo", provider="fake", state="ready")
        running.wait_ready(3)
        running.scale("Echo", 2, reason="more")
        running.restart("Echo", reason="stale")
        running.stop(reason="done")
    assert target.given.asked[2:] == [
        ("wait_ready", 3),
        ("scale", "Echo", 2, "more"),
        ("restart", "Echo", "stale"),
        ("stop", "done"),
        ("end",),
    ]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("dynamo-run-")]


def test_members_that_a_provider_adds_are_forwarded(target: FakeTarget) -> None:
    """Coroutines block, plain attributes are what they are."""
    with blocking(target) as running:
        assert running.extra(1) == 2
        assert running.later() == 2
        assert running.plain == 7
        with pytest.raises(AttributeError):
            _ = running.absent


@pytest.mark.parametrize("wanted", [Echo, "Echo"])
def test_client_of_the_blocking_form_blocks(target: FakeTarget, wanted: Any) -> None:
    """Unary endpoints return, streams are plain iterators, errors are raised."""
    with blocking(target) as running:
        client = running.client(wanted)
        assert client.echo("hello") == "hello"
        assert list(client.stream(3)) == [0, 1, 2]
        assert client.sync("hello") == "HELLO"
        with pytest.raises(ValueError, match="on purpose"):
            client.fail()
        with pytest.raises(ServiceNotFoundError):
            running.client("Absent")


def test_stream_left_early_is_closed(target: FakeTarget) -> None:
    """At once, and before the run ends."""
    with blocking(target) as running:
        lines = running.logs()
        assert [next(lines).text for _ in range(2)] == ["0", "1"]
        lines.close()
        assert target.given.running is not None
        assert target.given.running.closed_streams == 1


def test_stream_outlives_nothing(target: FakeTarget) -> None:
    """Iterating on after the run raises, and hangs nowhere."""
    with blocking(target) as running:
        lines = running.logs()
        next(lines)
    with pytest.raises(RunEndedError):
        next(lines)


def test_use_after_the_end_is_refused(target: FakeTarget) -> None:
    """With an error that says so, and no coroutine left unawaited."""
    with blocking(target) as running:
        client = running.client(Echo)
    with pytest.raises(RunEndedError):
        running.status()
    with pytest.raises(RunEndedError):
        client.echo("hello")
    with pytest.raises(RunEndedError):
        list(client.stream(1))


def test_call_pending_at_the_end_is_ended(target: FakeTarget) -> None:
    """Another thread that waits for an answer gets an error, and the end of the run waits for nobody."""
    outcome: list[BaseException] = []
    with blocking(target) as running:

        def wait() -> None:
            try:
                running.wait_for_ever()
            except RunEndedError as exc:
                outcome.append(exc)

        thread = threading.Thread(target=wait)
        thread.start()
        running.waiting_set = running.client(Echo)
        assert target.given.running is not None
        running._thread.call(target.given.running.waiting.wait())
    thread.join()
    assert len(outcome) == 1


async def test_blocking_form_on_a_loop_is_refused(target: FakeTarget) -> None:
    """Handing it to a coroutine would stop that coroutine's loop."""

    def use() -> None:
        with blocking(target) as running:
            client = running.client(Echo)

            async def misuse() -> None:
                for call in (running.status, running.logs, running.later, lambda: client.echo("x")):
                    with pytest.raises(BlockedLoopError):
                        call()
                with pytest.raises(BlockedLoopError):
                    client.stream(1)

            asyncio.run(misuse())

    await asyncio.to_thread(use)


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_what_a_plain_block_raises_leaves_it_unchanged(target: FakeTarget, error: BaseException) -> None:
    """Ctrl-C included; the run is stopped first."""
    with pytest.raises(type(error)) as caught, blocking(target):
        raise error
    assert caught.value is error
    assert target.given.asked[-1] == ("end",)


def test_failed_start_raises_what_failed(target: FakeTarget) -> None:
    """Unchanged, in the caller's thread."""
    target.given.fail_at_start = OSError("no luck")
    with pytest.raises(OSError, match="no luck") as caught, blocking(target):
        pass
    assert caught.value is target.given.fail_at_start


def test_interrupted_start_is_undone(target: FakeTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the services start cancels the start and leaves as it came."""
    started = threading.Event()
    cancelled = threading.Event()

    async def enter() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    target.given.on_enter = enter
    start = LoopThread.start

    def start_and_interrupt(self: LoopThread, main: Any) -> None:
        start(self, main)
        started.wait()
        monkeypatch.setattr(threading.Event, "wait", interrupt)

    def interrupt(self: threading.Event, timeout: float | None = None) -> bool:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(LoopThread, "start", start_and_interrupt)
    with pytest.raises(KeyboardInterrupt), blocking(target):
        pass
    assert cancelled.is_set()


def test_failure_at_the_end_of_a_plain_block_is_raised(
    target: FakeTarget, caplog: pytest.LogCaptureFixture
) -> None:
    """Unless the block raised; then it is logged."""
    target.given.fail_at_end = OSError("at the end")
    with pytest.raises(OSError, match="at the end"), blocking(target):
        pass
    with pytest.raises(ValueError, match="mine"), blocking(target):
        raise ValueError("mine")
    assert "OSError: at the end" in caplog.text


def test_serving_returns_the_exit_code(target: FakeTarget) -> None:
    """The hook owns the process until then."""
    assert serve_graph(target, graph(define()), options={"color": "blue"}) == 7
    assert target.given.asked[-1] == ("serve", "Echo", "blue")


class Front:
    """A service that depends on another one."""


def test_graph_is_bound_dependencies_first(target: FakeTarget) -> None:
    """Every service, then the edges of each; edges that were left out are not bound."""
    left_out = define(Front, depends_on={"echo": Echo, "unused": Echo})
    from attrs import evolve

    edges = dict(left_out.dependencies)
    edges["unused"] = evolve(edges["unused"], service_name=None)
    edges["remote"] = evolve(edges["unused"], attribute="remote", url="http://elsewhere")
    front = evolve(left_out, dependencies=edges)
    bound = bind_graph(target.hook_manager(), graph(define(), front), FakeOptions())
    assert [service.name for service in bound.services] == ["Echo", "Front"]
    assert target.given.asked == [
        ("create_service", "Echo", "red"),
        ("create_service", "Front", "red"),
        ("create_dependency", "echo", "Echo"),
        ("create_dependency", "remote", None),
    ]
    assert list(bound.dependencies["Front"]) == ["echo", "remote"]
    assert bound.entry.dependencies["echo"].on is bound.services[0]
    assert bound.find_service(Echo) is bound.find_service("Echo")
    with pytest.raises(ServiceNotFoundError):
        bound.find_service("Absent")


def test_events_reach_every_listener(target: FakeTarget, caplog: pytest.LogCaptureFixture) -> None:
    """One that fails is logged."""
    heard: list[Any] = []

    def deaf(event: Any) -> None:
        raise ValueError("deaf")

    bound = bind_graph(target.hook_manager(), graph(define()), FakeOptions(), listeners=[deaf, heard.append])
    event = SimpleNamespace(kind="ready")
    bound.emit(event)  # type: ignore[arg-type]  # only its kind is looked at
    assert heard == [event]
    assert "a listener failed to hear of ready" in caplog.text


async def test_a_wide_bind_is_one_warning(target: FakeTarget, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever opens services to other machines from a program is told as the command line tells it."""
    for host, warnings in (("127.0.0.1", 0), ("0.0.0.0", 1), ("::", 1)):
        caplog.clear()
        definition = define()
        api = attrs.evolve(definition.endpoints["echo"], api=ApiRoute(method="POST", path="/echo"))
        definition = attrs.evolve(definition, endpoints={"echo": api})
        definition.config.http = SimpleNamespace(host=host)
        async with run_graph(target, graph(definition)):
            pass
        found = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
        assert len(found) == warnings
        assert all(text.startswith(f"other machines can reach Echo ({host}) over HTTP") for text in found)
