"""What is measured: the same work for every side, on whatever client it has.

Everything is bounded in count and in time, whichever comes first: a slow side does less of it, at the same rate.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Protocol

import attrs

ARGUMENT: dict[str, Any] = {
    "prompt": "The quick brown fox jumps over the lazy dog",
    "max_tokens": 128,
    "stop": ["\n"],
}
ITEM = "token"
ITEMS = 10_000
STREAMS = 32
ITEMS_OF_EACH = 2_000
IN_FLIGHT = 64
MEBIBYTE = 1 << 20

MOST_CALLS = 20_000
MOST_S = 0.5
"""Seconds that one kind of work is repeated for; what has begun is finished."""

WARM_CALLS = 2_000


class Client(Protocol):
    """What a side calls its backend with; a side leaves out what it cannot do."""

    def echo(self, value: dict[str, Any]) -> Awaitable[dict[str, Any]]:
        """Give back a dict of three entries."""

    def echo_model(self, value: Any) -> Awaitable[Any]:
        """Give back a pydantic model of the same entries."""

    def echo_bytes(self, value: bytes) -> Awaitable[bytes]:
        """Give back bytes."""

    def ready(self, count: int) -> AsyncIterator[str]:
        """Stream short texts that are all there."""

    def suspending(self, count: int) -> AsyncIterator[str]:
        """Stream short texts, each after one turn of the loop."""

    def slow(self, count: int) -> AsyncIterator[str]:
        """Stream short texts, 5 ms apart."""


@attrs.frozen
class Row:
    """One figure.

    Attributes:
        name: What is measured.
        unit: Of the figure.
        more_is_better: Whether it is a rate.
    """

    name: str
    unit: str
    more_is_better: bool = False


ONE_P50 = Row("one at a time, dict, p50", "µs")
ONE_P99 = Row("one at a time, dict, p99", "µs")
MODEL_P50 = Row("one at a time, pydantic model, p50", "µs")
RATE = Row(f"{IN_FLIGHT} in flight, dict", "calls/s", more_is_better=True)
MODEL_RATE = Row(f"{IN_FLIGHT} in flight, pydantic model", "calls/s", more_is_better=True)
READY = Row("one stream, items that are ready", "items/s", more_is_better=True)
SUSPENDING = Row("one stream, source suspends before each item", "items/s", more_is_better=True)
MANY = Row(f"{STREAMS} streams at once, items that are ready", "items/s", more_is_better=True)
FIRST = Row("first item of a stream, p50", "µs")
MEBIBYTE_P50 = Row("1 MiB there and back, p50", "µs")

ROWS = (ONE_P50, ONE_P99, MODEL_P50, RATE, MODEL_RATE, READY, SUSPENDING, MANY, FIRST, MEBIBYTE_P50)


def make_model() -> Any:
    """The model that is sent; made late, since pydantic is imported for it."""
    from benchmarks.models import Prompt

    return Prompt(**ARGUMENT)


@attrs.define
class Measured:
    """What one start of a side has shown.

    Attributes:
        figures: By the name of their row.
        failed: Calls that failed and all calls, by the name of their row, where any has failed.
        errors: What kept a figure from being taken, or the last failure, by the name of the row.
    """

    figures: dict[str, float] = attrs.field(factory=dict)
    failed: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    errors: dict[str, str] = attrs.field(factory=dict)


async def measure(client: Any) -> dict[str, Any]:
    """Do all the work; gives the fields of what it has shown."""
    await _in_flight(lambda: client.echo(ARGUMENT), Measured(), RATE, most_calls=WARM_CALLS)
    measured = Measured()
    for rows, work in _WORK:
        try:
            figures = await work(client, measured)
        except NotImplementedError:
            continue
        except Exception as exc:  # noqa: BLE001  # shown in the table
            measured.errors.update(dict.fromkeys((row.name for row in rows), describe(exc)))
        else:
            measured.figures.update(zip((row.name for row in rows), figures, strict=True))
    return attrs.asdict(measured)


def describe(exc: BaseException) -> str:
    """One line that says what went wrong."""
    return f"{type(exc).__name__}: {exc}".splitlines()[0][:200]


# --- calls ---


async def _one_at_a_time(call: Callable[[], Awaitable[Any]], *, most_calls: int = 4_000) -> list[float]:
    """Microseconds of each call."""
    times: list[float] = []
    end = time.perf_counter() + MOST_S
    while len(times) < most_calls and time.perf_counter() < end:
        began = time.perf_counter()
        await call()
        times.append(time.perf_counter() - began)
    return [each * 1e6 for each in sorted(times)]


async def _in_flight(
    call: Callable[[], Awaitable[Any]], measured: Measured, row: Row, *, most_calls: int = MOST_CALLS
) -> float:
    """Good calls a second with 64 at a time; those that fail are counted."""
    done = failed = 0

    async def caller() -> None:
        nonlocal done, failed
        while done + failed < most_calls and time.perf_counter() < end:
            try:
                await call()
            except NotImplementedError:
                raise
            except Exception as exc:  # noqa: BLE001  # as above
                failed += 1
                measured.errors[row.name] = describe(exc)
            else:
                done += 1

    began = time.perf_counter()
    end = began + MOST_S
    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    if failed:
        measured.failed[row.name] = (failed, failed + done)
    return done / (time.perf_counter() - began)


async def _dicts(client: Client, measured: Measured) -> list[float]:
    times = await _one_at_a_time(lambda: client.echo(ARGUMENT))
    return [statistics.median(times), times[len(times) * 99 // 100]]


async def _models(client: Client, measured: Measured) -> list[float]:
    model = make_model()
    return [statistics.median(await _one_at_a_time(lambda: client.echo_model(model)))]


async def _dict_rate(client: Client, measured: Measured) -> list[float]:
    return [await _in_flight(lambda: client.echo(ARGUMENT), measured, RATE)]


async def _model_rate(client: Client, measured: Measured) -> list[float]:
    model = make_model()
    return [await _in_flight(lambda: client.echo_model(model), measured, MODEL_RATE)]


async def _mebibyte(client: Client, measured: Measured) -> list[float]:
    payload = bytes(MEBIBYTE)
    if await client.echo_bytes(payload) != payload:
        raise ValueError("other bytes came back")
    return [statistics.median(await _one_at_a_time(lambda: client.echo_bytes(payload), most_calls=200))]


# --- streams ---


async def _read(stream: AsyncIterator[Any], expected: int) -> None:
    count = 0
    async for _ in stream:
        count += 1
    if count != expected:
        raise ValueError(f"wanted {expected} items, got {count}")


async def _items_per_s(
    open_stream: Callable[[int], AsyncIterator[Any]], *, streams: int, items: int
) -> float:
    rounds = 0
    began = time.perf_counter()
    while rounds == 0 or (rounds < 50 and time.perf_counter() < began + MOST_S):
        await asyncio.gather(*(_read(open_stream(items), items) for _ in range(streams)))
        rounds += 1
    return rounds * streams * items / (time.perf_counter() - began)


async def _ready(client: Client, measured: Measured) -> list[float]:
    return [await _items_per_s(client.ready, streams=1, items=ITEMS)]


async def _suspending(client: Client, measured: Measured) -> list[float]:
    return [await _items_per_s(client.suspending, streams=1, items=ITEMS)]


async def _many(client: Client, measured: Measured) -> list[float]:
    return [await _items_per_s(client.ready, streams=STREAMS, items=ITEMS_OF_EACH)]


async def _first(client: Client, measured: Measured) -> list[float]:
    """Each stream is read to its end: to cancel one costs too, and not every side does."""
    times: list[float] = []
    end = time.perf_counter() + MOST_S
    while len(times) < 150 and time.perf_counter() < end:
        began = time.perf_counter()
        async with contextlib.aclosing(client.slow(2)) as items:  # type: ignore[type-var]  # all are generators
            await anext(items)
            times.append((time.perf_counter() - began) * 1e6)
            async for _ in items:
                pass
    return [statistics.median(times)]


_WORK: tuple[tuple[tuple[Row, ...], Callable[[Any, Measured], Coroutine[Any, Any, list[float]]]], ...] = (
    ((ONE_P50, ONE_P99), _dicts),
    ((MODEL_P50,), _models),
    ((RATE,), _dict_rate),
    ((MODEL_RATE,), _model_rate),
    ((READY,), _ready),
    ((SUSPENDING,), _suspending),
    ((MANY,), _many),
    ((FIRST,), _first),
    ((MEBIBYTE_P50,), _mebibyte),
)
