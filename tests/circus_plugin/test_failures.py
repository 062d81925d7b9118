"""Back-off and limits of one slot, with a clock of the test's own."""

from __future__ import annotations

import pytest

from dynamo_circus.supervisor.failures import LONGEST_DELAY_S, FailureAccount, RestartLimits

MIDDLE = 0.5


def make_account(**limits: float) -> FailureAccount:
    return FailureAccount(RestartLimits(**limits), jitter=lambda: MIDDLE)  # type: ignore[arg-type]


def test_first_replacement_is_immediate_and_later_ones_wait_twice_as_long() -> None:
    """Waits are 0, 0.1, 0.2, 0.4, ... seconds."""
    account = make_account(max_failures=100)
    delays = [account.record_death(float(second)).delay_s for second in range(6)]
    assert delays == pytest.approx([0, 0.1, 0.2, 0.4, 0.8, 1.6])


def test_wait_is_never_longer_than_the_cap() -> None:
    """After many failures the wait stays at 30 s."""
    account = make_account(max_failures=100)
    delays = [account.record_death(0.0).delay_s for _ in range(20)]
    assert max(delays) == pytest.approx(LONGEST_DELAY_S)


@pytest.mark.parametrize(("drawn", "factor"), [(0.0, 0.9), (1.0, 1.1)])
def test_jitter_is_ten_percent_each_way(drawn: float, factor: float) -> None:
    """Slots that fail together do not come back together."""
    account = FailureAccount(RestartLimits(), jitter=lambda: drawn)
    account.record_death(0.0)
    assert account.record_death(1.0).delay_s == pytest.approx(0.1 * factor)


def test_death_after_stable_time_is_no_failure() -> None:
    """A worker that was ready for the stable time is replaced at once, and the count begins anew."""
    account = make_account(stable_time_s=1.0)
    for _ in range(5):
        account.record_death(0.0)
    account.record_ready(10.0)
    verdict = account.record_death(11.0)
    assert (account.failures, verdict.delay_s) == (0, 0.0)


def test_death_shortly_after_ready_is_a_failure() -> None:
    """Ready time below the stable time does not clear the count."""
    account = make_account(stable_time_s=1.0)
    account.record_ready(0.0)
    account.record_death(0.9)
    assert account.failures == 1


def test_count_clears_while_the_worker_lives() -> None:
    """The count is back to zero as soon as the stable time has passed."""
    account = make_account(stable_time_s=1.0)
    account.record_death(0.0)
    account.record_ready(1.0)
    assert not account.settle(1.5)
    assert account.settle(2.0)
    assert account.failures == 0


def test_limit_is_reached_at_max_failures() -> None:
    """The eighth failure in a row says so, and waits the longest at once."""
    account = make_account(max_failures=8)
    verdicts = [account.record_death(0.0) for _ in range(8)]
    assert [verdict.limit is not None for verdict in verdicts] == [False] * 7 + [True]
    assert verdicts[-1].delay_s == pytest.approx(LONGEST_DELAY_S)
    assert verdicts[-1].limit is not None
    assert "8 failures in a row" in verdicts[-1].limit


def test_slow_deaths_reach_the_window_limit() -> None:
    """Workers that are stable for a while, again and again, meet the second limit."""
    account = make_account(max_restarts=5, restart_window_s=100.0)
    limits = []
    for death in range(5):
        account.record_ready(death * 10.0)
        limits.append(account.record_death(death * 10.0 + 5).limit)
    assert limits[:4] == [None] * 4
    assert limits[4] is not None


def test_restarts_leave_the_window() -> None:
    """Restarts older than the window do not count."""
    account = make_account(max_restarts=3, restart_window_s=10.0)
    for second in (0.0, 20.0, 40.0, 60.0):
        account.record_ready(second)
        assert account.record_death(second + 2).limit is None


def test_forget_clears_everything() -> None:
    """A restart on request begins with a clean account."""
    account = make_account(max_failures=2)
    account.record_death(0.0)
    account.forget()
    assert account.record_death(0.0).limit is None
