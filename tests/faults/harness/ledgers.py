"""What callers met, what services did, and what must hold between the two after every case."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynamo_core.errors import CallError, CallTimeoutError

LATE_S = 0.2
HUNG_S = 5.0
OK = "ok"


@dataclass
class CallRecord:
    """One call, as its caller saw it.

    Attributes:
        call_id: Its id.
        service: Service that was called.
        is_idempotent: Whether it may begin more than once.
        started: When it was made, ``time.monotonic()``.
        deadline: When it must have an outcome.
        ended: When it had one.
        outcome: ``ok``, ``deadline``, the name of an error, ``hung``; empty while there is none.
        answer: What came back.
        error: What was raised.
    """

    call_id: str
    service: str
    is_idempotent: bool
    started: float
    deadline: float
    ended: float = 0.0
    outcome: str = ""
    answer: Any = None
    error: BaseException | None = None

    @property
    def took_s(self) -> float:
        """Seconds until its outcome."""
        return self.ended - self.started


@dataclass
class ClientLedger:
    """One record per call that was made."""

    calls: list[CallRecord] = field(default_factory=list)
    _numbers: int = 0

    async def record(
        self,
        call: Callable[[str], Awaitable[object]],
        *,
        service: str,
        deadline_s: float,
        is_idempotent: bool = False,
    ) -> CallRecord:
        """Make a call with a fresh id and take down its outcome; raises nothing but cancellation.

        Args:
            call: Makes it, given its id.
            service: Service that it calls.
            deadline_s: Seconds that it was given.
            is_idempotent: Whether its endpoint is declared so.
        """
        self._numbers += 1
        now = time.monotonic()
        record = CallRecord(f"c{self._numbers}", service, is_idempotent, now, now + deadline_s)
        self.calls.append(record)
        try:
            async with asyncio.timeout(deadline_s + HUNG_S):
                record.answer = await call(record.call_id)
            record.outcome = OK
        except CallTimeoutError as error:
            record.outcome, record.error = "deadline", error
        except TimeoutError as error:
            record.outcome, record.error = "hung", error
        except Exception as error:
            record.outcome, record.error = type(error).__name__, error
        finally:
            record.ended = time.monotonic()
        return record


@dataclass(frozen=True)
class ServiceLine:
    """One line of the service ledger.

    Attributes:
        call_id: The call.
        pid: Worker process.
        slot: Its slot.
        what: ``begin``, ``end``, ``cancelled`` or ``raised``.
        when: ``time.monotonic()``.
    """

    call_id: str
    pid: int
    slot: int
    what: str
    when: float


def read_service_ledger(path: Path) -> list[ServiceLine]:
    """Every line that services have written."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text().splitlines():
        call_id, pid, slot, what, when = line.split(" ")
        lines.append(ServiceLine(call_id, int(pid), int(slot), what, float(when)))
    return lines


def broken_invariants(calls: Iterable[CallRecord], lines: list[ServiceLine], *, is_timed: bool) -> list[str]:
    """What breaks I1, I2, I3 or I6; in words."""
    counts = Counter((line.call_id, line.what) for line in lines)
    problems: list[str] = []
    for call in calls:
        if not call.outcome or call.outcome == "hung":
            problems.append(f"I1: call {call.call_id} has no outcome: {call.outcome or 'it never ended'}")
        elif is_timed and call.ended > call.deadline + LATE_S:
            problems.append(
                f"I1: call {call.call_id} ended {call.ended - call.deadline:.2f} s past its deadline"
            )
        if call.outcome == OK:
            if counts[call.call_id, "end"] < 1:
                problems.append(f"I2: call {call.call_id} was answered and never ended in a worker")
            if getattr(call.answer, "call_id", call.call_id) != call.call_id:
                problems.append(f"I2: call {call.call_id} got the answer of {call.answer.call_id}")
        elif call.error is not None:
            problems += _reason_problems(call)
        if not call.is_idempotent and counts[call.call_id, "begin"] > 1:
            problems.append(f"I3: call {call.call_id} began {counts[call.call_id, 'begin']} times")
    return problems


def _reason_problems(call: CallRecord) -> list[str]:
    """What a failure's text lacks (I6)."""
    error, text = call.error, str(call.error)
    if call.outcome == "hung":
        return []
    if not isinstance(error, CallError):
        return [f"I6: call {call.call_id} met an error that is none of ours: {error!r}"]
    service = getattr(error, "service", call.service)
    slot = getattr(error, "slot", None)
    worker = service if slot is None else f"{service}/{slot}"
    if worker not in text or len(text) < len(worker) + 10:
        return [f"I6: call {call.call_id} failed without naming {worker} and a cause: {text!r}"]
    return []
