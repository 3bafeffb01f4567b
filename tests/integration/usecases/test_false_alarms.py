"""Fills in flight and a login that flaps raise no alarm; a real break is published in seconds, and is not resolved.

The figures stand in docs/performance.md.
"""

from pathlib import Path

import pytest

from benchmarks.false_alarms import DOWN_SECONDS, INTERVAL_SECONDS, simulate
from reconciliation.domain.breaks.policy import BreakPolicy


@pytest.mark.parametrize(
    ("fills", "seed"), [(150, 7), *(pytest.param(1000, seed, marks=pytest.mark.slow) for seed in range(1, 11))]
)
def test_fills_in_flight_raise_no_alarm_and_every_real_break_is_published_in_seconds(
    tmp_path: Path, fills: int, seed: int
) -> None:
    outcome = simulate(tmp_path, fills, seed)
    assert outcome.false_alarms + outcome.false_resolutions <= fills // 1000
    assert outcome.suspicions > outcome.real_breaks  # fills were seen in flight
    assert sum(map(len, outcome.seconds.values())) == outcome.real_breaks
    # Fills of other symbols explain nothing. A login that was down meanwhile is read again by the next periodic run.
    times = sorted(outcome.seconds["Q"] + outcome.seconds["A"])
    assert times[len(times) * 9 // 10] <= 15
    assert times[-1] <= 15 + DOWN_SECONDS + INTERVAL_SECONDS
    assert max(outcome.seconds["S"]) <= 600 + 60  # the patience, and the next periodic run
    assert outcome.confirmations <= outcome.runs / 3


@pytest.mark.slow
def test_without_confirmation_the_same_fills_are_false_alarms(tmp_path: Path) -> None:
    assert simulate(tmp_path, policy=BreakPolicy(confirmations=1)).false_alarms > 10
