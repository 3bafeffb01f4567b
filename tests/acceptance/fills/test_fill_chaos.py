"""`make chaos` in short: nothing is lost and nothing doubled while everything is broken at random."""

import pytest

from tests.chaos.fill_chaos import run_chaos


@pytest.mark.parametrize("seconds", [20, pytest.param(120, marks=pytest.mark.slow)])
def test_no_fill_is_lost_or_doubled_in_chaos(tmp_path, seconds):
    report = run_chaos(seconds, tmp_path, seed=20_261_122)
    assert report.is_good, "\n".join(report.lines())


@pytest.mark.slow
def test_the_same_chaos_without_the_reclaim_loses_fills(tmp_path):
    report = run_chaos(60, tmp_path, seed=20_261_122, reclaims=False)
    assert report.lost, "\n".join(report.lines())
