"""Slots that answer slowly, with errors, or not at all lose their share of the calls, and get it back."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from dynamo_core import endpoint, service
from dynamo_core.client import with_options
from dynamo_core.errors import (
    CallError,
    InvalidRequestError,
    OverloadedError,
    RemoteCallError,
)
from dynamo_core.transport import slot_health
from dynamo_core.transport.routing import Router
from dynamo_core.transport.slot_health import ENOUGH, MOST_PROBES, PROBE_EVERY, SlotHealth, SlotJudge

from .serving_for_tests import NAME, calling, client_of, eventually, working

NORMAL_S = 0.05


@attrs.define(eq=False)
class Slot:
    """A connection, as far as it is judged."""

    number: int
    health: SlotHealth = attrs.field(factory=SlotHealth)
    calls: dict[int, Any] = attrs.field(factory=dict)

    @property
    def welcome(self) -> Any:
        return collections.namedtuple("Welcome", "slot")(self.number)

    @property
    def open_calls(self) -> int:
        return len(self.calls)


class Crew:
    """Slots, their judge, and a clock that goes on with each answer."""

    def __init__(self, count: int) -> None:
        self.judge = SlotJudge(NAME)
        self.slots = [Slot(number) for number in range(count)]
        self.judge.compare(self.slots)  # type: ignore[arg-type]
        self.router = Router()
        self.now = 1000.0

    def answer(self, slot: int, took_s: float = NORMAL_S, name: str = "work") -> None:
        self.now += 0.01
        self.judge.answered(self.slots[slot], name, took_s, self.now)  # type: ignore[arg-type]

    def fail(self, slot: int, error: CallError | None) -> None:
        self.now += 0.01
        self.judge.failed(self.slots[slot], error, self.now)  # type: ignore[arg-type]

    def all_answer(self, times: int = 2 * ENOUGH, **seconds: float) -> None:
        """Everybody answers, slot *n* in ``s<n>`` seconds."""
        for _ in range(times):
            for each in self.slots:
                self.answer(each.number, seconds.get(f"s{each.number}", NORMAL_S))

    def pick(self) -> int:
        """Slot of the next call, as the channel picks it."""
        picked: Any = self.judge.probed() if self.judge.out else None
        return (picked or self.router.pick(self.judge.fit, "round_robin")).number

    def shares(self, calls: int = 300) -> collections.Counter[int]:
        return collections.Counter(self.pick() for _ in range(calls))

    @property
    def out(self) -> list[int]:
        return [each.number for each in self.judge.out]  # type: ignore[attr-defined]


def error() -> RemoteCallError:
    return RemoteCallError("RuntimeError", "no device", service=NAME, slot=1, endpoint="work")


# --- who is out ---


def test_slots_that_are_alike_have_equal_shares():
    """Nobody is out."""
    crew = Crew(3)
    crew.all_answer(s0=0.05, s1=0.07, s2=0.1)
    assert crew.out == []
    assert crew.shares() == {0: 100, 1: 100, 2: 100}


@pytest.mark.parametrize("slots", [2, 3, 8])
def test_a_slow_slot_loses_its_share_but_for_probes(slots):
    """A tenth of the calls looks whether it is well again."""
    crew = Crew(slots)
    crew.all_answer(s1=1.0)
    assert crew.out == [1]
    assert crew.shares()[1] == 300 // PROBE_EVERY


def test_a_slot_that_answers_only_with_errors_loses_its_share():
    """However quick the errors are."""
    crew = Crew(2)
    for _ in range(2 * ENOUGH):
        crew.answer(0)
        crew.fail(1, error())
    assert crew.out == [1]


def test_calls_that_are_not_answered_in_time_count_as_errors():
    """They are told without an error of the worker's."""
    crew = Crew(2)
    for _ in range(2 * ENOUGH):
        crew.answer(0)
        crew.fail(1, None)
    assert crew.out == [1]


def test_a_full_slot_loses_its_share():
    """There is room elsewhere."""
    crew = Crew(2)
    for _ in range(2 * ENOUGH):
        crew.answer(0)
        crew.fail(1, OverloadedError(NAME, "work", limit=4))
    assert crew.out == [1]


@pytest.mark.parametrize(
    "fault",
    [
        InvalidRequestError(NAME, "work", {"x": "is missing"}),
        RemoteCallError("RuntimeError", "no device", service="Other", slot=1, endpoint="work"),
    ],
)
def test_the_faults_of_callers_and_of_other_services_do_not_count(fault):
    """The slot answers as it should."""
    crew = Crew(2)
    for _ in range(2 * ENOUGH):
        crew.answer(0)
        crew.fail(1, fault)
    assert crew.out == []
    assert crew.slots[1].health.samples == 0


def test_what_ails_all_slots_changes_nothing():
    """There is nothing better to choose."""
    crew = Crew(3)
    crew.all_answer()
    crew.all_answer(s0=2.0, s1=2.0, s2=2.0)
    for _ in range(50):
        for slot in range(3):
            crew.fail(slot, error())
    assert crew.out == []


def test_endpoints_that_take_long_make_no_slot_look_ill():
    """Each is compared with what is usual for it, even where calls of one kind always meet one slot."""
    crew = Crew(2)
    for _ in range(5 * ENOUGH):
        crew.answer(0, 0.001, "quick")
        crew.answer(1, 10.0, "long")
    assert crew.out == []


def test_milliseconds_do_not_matter():
    """A worker on the other core is no worse."""
    crew = Crew(2)
    crew.all_answer(s0=0.0001, s1=0.004)
    assert crew.out == []


def test_one_slow_answer_is_no_illness():
    """Nor is one error."""
    crew = Crew(2)
    crew.all_answer()
    crew.answer(1, 60.0)
    crew.fail(1, error())
    crew.all_answer(2)
    assert crew.out == []


def test_few_answers_are_no_judgement():
    """A worker's first calls may load what it needs."""
    crew = Crew(2)
    crew.all_answer()
    crew.slots[1] = Slot(1)
    crew.judge.compare(crew.slots)  # type: ignore[arg-type]
    for _ in range(ENOUGH // 2):
        crew.answer(0)
        crew.answer(1, 5.0)
    assert crew.out == []


# --- slots that say nothing ---


def test_a_slot_that_has_stopped_answering_loses_its_share():
    """Long before its calls' time is up."""
    crew = Crew(2)
    crew.all_answer()
    crew.slots[1].calls = {1: None, 2: None}
    for _ in range(100):
        crew.answer(0)
    assert crew.out == [1]
    assert crew.shares()[1] == 0, "it has as many open calls as it may have"


def test_a_slot_without_calls_is_not_waited_for():
    """It has nothing to answer."""
    crew = Crew(2)
    crew.all_answer()
    for _ in range(100):
        crew.answer(0)
    assert crew.out == []


def test_long_calls_are_waited_for():
    """What is usual for the slowest endpoint says how long."""
    crew = Crew(2)
    crew.all_answer(s0=10.0, s1=10.0)
    crew.slots[1].calls = {1: None, 2: None}
    for _ in range(500):
        crew.answer(0, 10.0)
    assert crew.out == []


def test_a_pause_in_the_traffic_makes_nobody_look_stuck():
    """Calls that were made just now are not those that were open before."""
    crew = Crew(2)
    crew.all_answer()
    crew.now += 3600
    crew.slots[1].calls = {1: None, 2: None}
    for _ in range(20):
        crew.answer(0)
    assert crew.out == []


# --- getting well ---


@pytest.mark.parametrize("illness", ["slow", "errors", "stuck"])
def test_a_slot_that_is_well_again_gets_its_share_back(illness):
    """A few good answers to its probes are enough."""
    crew = Crew(2)
    crew.all_answer()
    if illness == "stuck":
        crew.slots[1].calls = {1: None, 2: None}
    for _ in range(100):
        crew.answer(0)
        if illness == "slow":
            crew.answer(1, 2.0)
        elif illness == "errors":
            crew.fail(1, error())
    assert crew.out == [1]
    crew.slots[1].calls = {}
    calls = 0
    while crew.out:
        calls += 1
        crew.answer(crew.pick())
    assert calls <= 12 * PROBE_EVERY
    assert crew.shares() == {0: 150, 1: 150}


def test_a_slot_that_stays_ill_stays_out():
    """However long it is looked at."""
    crew = Crew(2)
    crew.all_answer(s1=1.0)
    for _ in range(500):
        slot = crew.pick()
        crew.answer(slot, 1.0 if slot == 1 else NORMAL_S)
        assert crew.out == [1]


def test_probes_do_not_pile_up():
    """Two open ones are enough."""
    crew = Crew(2)
    crew.all_answer(s1=1.0)
    crew.slots[1].calls = dict.fromkeys(range(MOST_PROBES))
    assert crew.shares()[1] == 0


def test_without_the_others_a_slot_that_is_out_is_better_than_none():
    """It gets every call when it is the only one."""
    crew = Crew(2)
    crew.all_answer(s1=1.0)
    crew.judge.compare(crew.slots[1:])  # type: ignore[arg-type]
    assert crew.shares() == {1: 300}


# --- through a channel ---


@service(name=NAME)
class Sick:
    """Answers as a test wants."""

    def __init__(self) -> None:
        self.illness = ""
        self.calls = 0
        self.released = asyncio.Event()

    @endpoint
    async def work(self) -> None:
        await self._suffer()

    @endpoint
    async def items(self) -> AsyncIterator[int]:
        await self._suffer()
        yield 1

    async def _suffer(self) -> None:
        self.calls += 1
        if self.illness == "errors":
            raise RuntimeError("no device")
        if self.illness == "silence":
            await self.released.wait()


@contextlib.asynccontextmanager
async def pair(make_socket):
    """What two workers serve, and a client of both."""
    first, second = make_socket(), make_socket()
    async with (
        working(first, cls=Sick) as healthy,
        working(second, cls=Sick, slot=1) as sick,
        calling([first.member(0), second.member(1)]) as (_, channel),
    ):
        await eventually(lambda: channel.usable_slots == (0, 1))
        yield healthy.host.instance, sick.host.instance, client_of(channel, Sick)


@pytest.fixture
def _every_answer_counts(monkeypatch):
    monkeypatch.setattr(slot_health, "SAMPLE_S", 0.0)
    monkeypatch.setattr(slot_health, "JUDGE_S", 0.0)


async def work(client: Any) -> str:
    try:
        await client.work()
    except CallError as exc:
        return type(exc).__name__
    return "ok"


async def take(client: Any) -> str:
    try:
        assert [item async for item in client.items()] == [1]
    except CallError as exc:
        return type(exc).__name__
    return "ok"


@pytest.mark.parametrize("call", [work, take])
@pytest.mark.usefixtures("_every_answer_counts")
async def test_callers_meet_few_errors_of_a_slot_that_gives_nothing_else(make_socket, call):
    """And all slots are used again once it is well."""
    async with pair(make_socket) as (healthy, sick, client):
        for _ in range(4 * ENOUGH):
            await call(client)
        assert healthy.calls == sick.calls
        sick.illness = "errors"
        for _ in range(4 * ENOUGH):
            await call(client)
        outcomes = collections.Counter([await call(client) for _ in range(100)])
        assert outcomes == {"ok": 100 - 100 // PROBE_EVERY, "RemoteCallError": 100 // PROBE_EVERY}
        sick.illness = ""
        for _ in range(12 * PROBE_EVERY):
            await call(client)
        before = healthy.calls, sick.calls
        for _ in range(100):
            await call(client)
        assert (healthy.calls - before[0], sick.calls - before[1]) == (50, 50)


@pytest.mark.usefixtures("_every_answer_counts")
async def test_callers_that_do_not_wait_tell_who_was_slow(make_socket, monkeypatch):
    """They cancel their calls, and need not say how long they would have waited."""
    monkeypatch.setattr(slot_health, "SLACK_S", 0.0)
    async with pair(make_socket) as (_, sick, client):
        for _ in range(4 * ENOUGH):
            await work(client)
        sick.illness = "silence"
        for _ in range(4 * ENOUGH):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await client.work()
        before = sick.calls
        for _ in range(50):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await client.work()
        assert sick.calls - before <= 50 // PROBE_EVERY + 1


@pytest.mark.usefixtures("_every_answer_counts")
async def test_a_call_that_names_its_slot_goes_there_whatever_its_health(make_socket):
    """Whoever names a slot knows why."""
    async with pair(make_socket) as (_, sick, client):
        sick.illness = "errors"
        for _ in range(6 * ENOUGH):
            await work(client)
        before = sick.calls
        named = with_options(client, routing=1)
        assert [await work(named) for _ in range(20)] == ["RemoteCallError"] * 20
        assert sick.calls - before == 20


@pytest.mark.parametrize("routing", ["random", "least_loaded"])
@pytest.mark.usefixtures("_every_answer_counts")
async def test_other_routings_leave_it_out_too(make_socket, routing):
    """A slot whose errors are quick is never the busy one."""
    async with pair(make_socket) as (_, sick, client):
        sick.illness = "errors"
        chosen = with_options(client, routing=routing)
        for _ in range(10 * ENOUGH):
            await work(chosen)
        before = sick.calls
        for _ in range(100):
            await work(chosen)
        assert sick.calls - before == 100 // PROBE_EVERY


@pytest.mark.usefixtures("_every_answer_counts")
async def test_a_new_worker_is_not_judged_by_what_its_predecessor_did(make_socket):
    """Its connection is another one."""
    first, second = make_socket(), make_socket()
    async with (
        working(first, cls=Sick),
        calling([first.member(0), second.member(1)]) as (_, channel),
    ):
        client = client_of(channel, Sick)
        async with working(second, cls=Sick, slot=1) as worker:
            worker.host.instance.illness = "errors"
            await eventually(lambda: channel.usable_slots == (0, 1))
            for _ in range(6 * ENOUGH):
                await work(client)
            assert channel._judge.out
        async with working(second, cls=Sick, slot=1) as worker:
            await eventually(lambda: channel.usable_slots == (0, 1))
            assert not channel._judge.out
            for _ in range(10):
                await work(client)
            assert worker.host.instance.calls == 5
