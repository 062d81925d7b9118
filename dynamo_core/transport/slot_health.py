"""Slots that answer worse than the others lose their share of the calls, and get it back when they are well again.

A slot is compared with the other slots of its service only, by what callers of this channel met: seconds until an
answer, in relation to what is usual for that endpoint, and errors that are not the caller's fault.
So nothing has to be configured, an endpoint that takes long makes no slot look ill, and what ails all slots changes
nothing.

The score of a slot is an exponentially weighted average: 1 is usual, an error counts as ten times as slow.
A slot whose score is three times that of the good ones is *out*: it gets every tenth call only, and none while two
are open, until its score is below twice that of the good ones.
One that has had calls open and answered none for a while, whereas others did, is out too.

Nothing here has a timer: it is worked out now and then, when an answer comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dynamo_core.errors import (
    CallError,
    EndpointNotFoundError,
    InvalidRequestError,
    UnsupportedValueError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynamo_core.transport.client_connection import ClientConnection

PROBE_EVERY: Final = 10
"""Of so many calls one goes to a slot that is out."""

MOST_PROBES: Final = 2
"""Open calls with which a slot that is out gets no further one."""

FALL: Final = 3.0
RISE: Final = 2.0
"""How many times worse than the good ones a slot is taken out, and put in again."""

WORST: Final = 10.0
"""The largest mark of one answer, and that of an error."""

SLACK_S: Final = 0.01
"""Added to all times: what differs by a few milliseconds is as good."""

ENOUGH: Final = 16
"""Answers without which a slot is not judged."""

SAMPLE_S: Final = 0.001
"""One answer of a slot in this time is looked at."""

JUDGE_S: Final = 0.05
"""Pause between two judgements."""

STUCK_S: Final = 0.5
"""How long a slot may answer nothing, whatever is usual; else three times the usual time of the slowest endpoint."""

_SLOW_SHARE: Final = 1 / 16
_QUICK_SHARE: Final = 1 / 4
_PAUSE_S: Final = 1.0
"""After so long without a judgement nothing is known of who has been quiet."""

_CALLERS_FAULTS: Final = (InvalidRequestError, EndpointNotFoundError, UnsupportedValueError)


class SlotHealth:
    """What is known of one connection.

    Attributes:
        score: 1 is as good as usual; higher is worse.
        is_out: Whether it has lost its share.
        next_sample: When the next answer is looked at, ``time.monotonic()``.
    """

    __slots__ = ("heard_at", "is_out", "next_sample", "quiet_since", "samples", "score")

    def __init__(self) -> None:
        self.score = 1.0
        self.is_out = False
        self.next_sample = 0.0
        self.samples = 0
        self.heard_at = 0.0
        self.quiet_since = 0.0

    def note(self, mark: float, now: float) -> None:
        """Take in one answer."""
        self.samples += 1
        share = _QUICK_SHARE if self.is_out else max(_SLOW_SHARE, 1 / self.samples)
        self.score += (mark - self.score) * share
        self.heard_at = now
        self.next_sample = now + SAMPLE_S


class SlotJudge:
    """Compares the slots of one service.

    Attributes:
        is_needed: Whether there is more than one slot.
        fit: Connections that get calls.
        out: Those that have lost their share.
    """

    __slots__ = ("_judged_at", "_service", "_turn", "_usual_s", "fit", "is_needed", "out")

    def __init__(self, service: str) -> None:
        self.is_needed = False
        self.fit: Sequence[ClientConnection] = ()
        self.out: Sequence[ClientConnection] = ()
        self._service = service
        self._usual_s: dict[str, float] = {}
        self._judged_at = 0.0
        self._turn = 0

    def compare(self, usable: Sequence[ClientConnection]) -> None:
        """Take in which connections there are."""
        self.is_needed = len(usable) > 1
        fit = [each for each in usable if not each.health.is_out]
        self.fit = fit or usable
        self.out = [each for each in usable if each.health.is_out] if fit else ()

    def probed(self) -> ClientConnection | None:
        """The slot that is out and gets the next call all the same; None mostly."""
        self._turn += 1
        if self._turn % PROBE_EVERY:
            return None
        probed = self.out[self._turn // PROBE_EVERY % len(self.out)]
        return probed if probed.open_calls < MOST_PROBES else None

    # --- what callers met ---

    def answered(self, connection: ClientConnection, endpoint: str, took_s: float, now: float) -> None:
        """A call was answered, or a stream gave its first items."""
        seconds = took_s + SLACK_S
        usual_s = self._usual_s.get(endpoint, seconds)
        mark = min(WORST, seconds / usual_s)
        if not connection.health.is_out:
            self._usual_s[endpoint] = usual_s * (1 + (mark - 1) * _SLOW_SHARE)
        self._note(connection, mark, now)

    def failed(self, connection: ClientConnection, outcome: BaseException | None, now: float) -> None:
        """A call ended with an error, with None for one that was not answered in time."""
        if outcome is not None:
            if not isinstance(outcome, CallError) or isinstance(outcome, _CALLERS_FAULTS):
                return
            if getattr(outcome, "service", self._service) != self._service:
                return  # it was let through
        if now >= connection.health.next_sample:
            self._note(connection, WORST, now)

    def left(self, connection: ClientConnection, endpoint: str, took_s: float, now: float) -> None:
        """A caller would wait no longer: that tells something if the call took long already."""
        usual_s = self._usual_s.get(endpoint)
        if usual_s is not None and took_s > FALL * usual_s and now >= connection.health.next_sample:
            self.answered(connection, endpoint, took_s, now)

    # --- judging ---

    def _note(self, connection: ClientConnection, mark: float, now: float) -> None:
        connection.health.note(mark, now)
        if now - self._judged_at >= JUDGE_S:
            self._judge(now)

    def _judge(self, now: float) -> None:
        is_blind = now - self._judged_at > _PAUSE_S
        self._judged_at = now
        everybody = [*self.fit, *self.out]
        known = sorted(each.health.score for each in everybody if each.health.samples >= ENOUGH)
        if not known:
            return
        good = known[(len(known) - 1) // 3]
        limit_s = max(STUCK_S, FALL * max(self._usual_s.values()))
        was_out = set(self.out)
        for each in everybody:
            health = each.health
            if is_blind or len(each.calls) < 2:
                health.quiet_since = now
            elif health.heard_at > health.quiet_since:
                health.quiet_since = health.heard_at
            if health.is_out:
                health.is_out = health.score > RISE * good
            elif now - health.quiet_since > limit_s or (
                health.samples >= ENOUGH and health.score > FALL * good
            ):
                health.is_out = True
                health.score = WORST  # its next answers will tell; what is usual will be another measure then
        if was_out != {each for each in everybody if each.health.is_out}:
            self.compare(sorted(everybody, key=lambda each: each.welcome.slot))
