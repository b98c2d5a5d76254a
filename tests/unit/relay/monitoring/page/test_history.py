"""What the page keeps of the past: rates, the worst, quantiles; bounded, whatever comes."""

from __future__ import annotations

import sys

import pytest

from outbox.counting.tally import Distribution, Histogram
from relay.monitoring.page import history
from relay.monitoring.page.history import MOST_SERIES, POINTS, History, Ring, Sample

NOTHING = Distribution((), 0.0)


def sample(
    at: float, *, put: float = 0.0, lag: float = 0.0, left: float = 1.0, latency: Distribution = NOTHING
) -> Sample:
    return Sample(at, {"put": put}, {"lag:r": lag, "headroom:r": left}, latency)


def test_what_only_grows_is_kept_as_a_rate() -> None:
    ring = Ring(5.0)

    for at, put in ((100.0, 7.0), (105.0, 57.0), (115.0, 77.0)):
        ring.add(sample(at, put=put))

    assert ring.columns(0)["at"] == [105.0, 115.0]
    assert ring.columns(0)["put"] == [10.0, 2.0]


def test_a_log_that_was_made_anew_has_put_nothing() -> None:
    ring = Ring(5.0)

    ring.add(sample(100.0, put=1000.0))
    ring.add(sample(105.0, put=3.0))

    assert ring.newest()["put"] == 0.0


def test_between_two_points_the_worst_counts() -> None:
    ring = Ring(5.0)

    for at, lag, left in ((100.0, 0, 1.0), (102.0, 9, 0.1), (105.0, 1, 0.9), (110.0, 2, 0.8)):
        ring.add(sample(at, lag=lag, left=left))

    assert ring.columns(0)["lag:r"] == [9, 2]
    assert ring.columns(0)["headroom:r"] == [0.1, 0.8]


def test_quantiles_are_of_what_came_in_between() -> None:
    ring, latency = Ring(5.0), Histogram()
    latency.add(1000.0, 50)  # long ago
    ring.add(sample(100.0, latency=latency.all()))
    latency.add(0.02, 90)
    latency.add(0.2, 8)
    latency.add(40.0, 2)

    ring.add(sample(105.0, latency=latency.all()))
    ring.add(sample(110.0, latency=latency.all()))

    p50, p95, p99 = (ring.columns(0)[name] for name in ("p50", "p95", "p99"))
    assert p50 == [pytest.approx(0.01 + 0.015 * 50 / 90), None]
    assert p95 == [pytest.approx(0.1 + 0.15 * 5 / 8), None]
    assert p99 == [pytest.approx(30 + 30 * 1 / 2), None]


def test_what_nobody_saw_is_a_gap_in_every_line() -> None:
    ring = Ring(5.0)
    ring.add(sample(100.0, lag=1))
    ring.add(sample(105.0, lag=1))
    ring.gap(110.0)
    ring.gap(111.0)
    ring.add(sample(115.0, lag=3))

    assert ring.columns(0)["at"] == [105.0, 110.0, 115.0]
    assert ring.columns(0)["lag:r"] == [1, None, 3]


def test_a_reader_that_comes_later_has_no_past() -> None:
    ring = Ring(5.0)
    ring.add(sample(100.0))
    ring.add(sample(105.0))
    ring.add(Sample(110.0, {"put": 0.0}, {"lag:new": 4.0}, NOTHING))

    assert ring.columns(0)["lag:new"] == [None, 4.0]
    assert ring.columns(106)["lag:new"] == [4.0]
    assert "lag:r" not in ring.columns(106)


def test_it_does_not_grow_without_bound() -> None:
    kept = History()
    for number in range(POINTS + 30):
        gauges = {f"lag:{reader}": float(reader) for reader in range(number, number + MOST_SERIES)}
        kept.add(Sample(5.0 * number, {}, gauges, NOTHING))

    points = kept.fine._points
    assert len(points) == POINTS
    assert len(kept.fine._places) == MOST_SERIES
    assert sum(sys.getsizeof(values) for _, values in points) < 2.5e6


def test_an_hour_is_kept_finely_and_a_day_coarsely() -> None:
    assert history.FINE_SECONDS * POINTS == 3600
    assert history.COARSE_SECONDS * POINTS == 86_400
