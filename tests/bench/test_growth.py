"""Verdicts on curves."""

from __future__ import annotations

import pytest

from bench.figures.growth import is_flat, no_worse, power

XS = (10, 100, 1000, 10_000)


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2])
def test_the_power_of_a_curve_is_found(exponent: float) -> None:
    assert power(XS, [3 * x**exponent for x in XS]) == pytest.approx(exponent)


def test_one_point_has_no_power_and_no_verdict() -> None:
    assert power([5], [1]) is None
    assert no_worse(None, 1) is None
    assert is_flat([1]) is None


@pytest.mark.parametrize(
    ("grows", "may", "holds"), [(1.05, 1, True), (1.3, 1, False), (0.05, 0, True), (0.5, 0, False)]
)
def test_a_little_more_than_allowed_is_noise_and_much_more_is_not(grows: float, may: float, holds: bool) -> None:
    assert no_worse(grows, may) is holds


def test_memory_that_doubles_is_not_flat() -> None:
    assert is_flat([80, 90, 92, 95])
    assert not is_flat([80, 80, 90, 180])
