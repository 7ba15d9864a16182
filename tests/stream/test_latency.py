import pytest

from livedetect.stream.latency import LatencyHistogram


def test_quantiles_are_right_within_the_width_of_a_bin():
    histogram = LatencyHistogram()
    for duration_ms in range(1, 1001):
        histogram.add(float(duration_ms))
    assert histogram.quantile_ms(0.5) == pytest.approx(500, rel=0.025)
    assert histogram.quantile_ms(0.95) == pytest.approx(950, rel=0.025)
    assert histogram.summary_ms()["max"] == 1000.0


@pytest.mark.parametrize("duration_ms", [0.0, 1e-9, 3.7, 1e12])
def test_a_single_duration_is_within_the_maximum(duration_ms):
    histogram = LatencyHistogram()
    histogram.add(duration_ms)
    summary = histogram.summary_ms()
    assert summary["max"] == duration_ms
    assert summary["p50"] <= duration_ms
    assert summary["p95"] <= duration_ms


def test_before_the_first_duration_there_is_none():
    assert LatencyHistogram().summary_ms() == {"p50": None, "p95": None, "max": None}
