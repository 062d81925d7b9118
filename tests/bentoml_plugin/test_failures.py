"""When a slot may have its next worker."""

from __future__ import annotations

from dynamo_bentoml.supervisor.failures import LONGEST_DELAY_S, FailureAccount
from dynamo_core import SupervisionConfig


def account(**config: float) -> FailureAccount:
    """One without jitter."""
    return FailureAccount(SupervisionConfig(config), jitter=lambda: 0.5)


def test_first_replacement_comes_at_once_and_later_ones_more_and_more_slowly() -> None:
    """0.1 s × 2ⁿ⁻¹."""
    found = account()
    delays = [found.record_death(float(now), ready_at=None).delay_s for now in range(6)]
    assert delays == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6]


def test_jitter_is_a_tenth() -> None:
    """Workers that failed together do not come back together."""
    supervision = SupervisionConfig()
    for jitter, wanted in ((0.0, 0.09), (1.0, 0.11)):
        found = FailureAccount(supervision, jitter=lambda jitter=jitter: jitter)
        found.record_death(0.0, ready_at=None)
        assert abs(found.record_death(1.0, ready_at=None).delay_s - wanted) < 1e-9


def test_stable_worker_clears_the_count() -> None:
    """A death after long service is a first failure's equal."""
    found = account(stable_time_s=5)
    for now in range(4):
        found.record_death(float(now), ready_at=None)
    assert found.record_death(20.0, ready_at=15.0).delay_s == 0.0
    assert found.failures == 0


def test_ready_too_shortly_is_a_failure() -> None:
    """What crashes as soon as it is ready is no success."""
    found = account(stable_time_s=5)
    found.record_death(0.0, ready_at=None)
    found.record_death(10.0, ready_at=6.0)
    assert found.failures == 2


def test_failures_in_a_row_pass_the_first_limit() -> None:
    """And then the wait is the longest one."""
    found = account(max_failures=3)
    verdicts = [found.record_death(float(now), ready_at=None) for now in range(3)]
    assert [verdict.limit is None for verdict in verdicts] == [True, True, False]
    assert verdicts[2].delay_s == LONGEST_DELAY_S


def test_restarts_within_the_window_pass_the_second_limit() -> None:
    """Even of a worker that is stable each time; old ones do not count."""
    found = account(max_restarts=3, restart_window_s=100, stable_time_s=1)
    assert found.record_death(0.0, ready_at=-50.0).limit is None
    assert found.record_death(200.0, ready_at=100.0).limit is None
    assert found.record_death(210.0, ready_at=202.0).limit is None
    limit = found.record_death(220.0, ready_at=212.0).limit
    assert limit is not None
    assert "3 restarts" in limit


def test_forgetting_starts_anew() -> None:
    """A restart on request is no failure."""
    found = account(max_failures=2)
    found.record_death(0.0, ready_at=None)
    found.forget()
    assert found.record_death(1.0, ready_at=None).limit is None
