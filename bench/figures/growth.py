"""How something grows along a curve: the power of x that fits it best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

_NOISE = 0.15
"""A power so much too high may be chance: over a factor of 1000, a factor of 2.8."""
_FLAT = 1.25


def power(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """The slope of the least-squares line through the logarithms: 1 is linear, 0 is constant, 2 is a square.

    None with fewer than two different x. All values are above 0.
    """
    if len(set(xs)) < 2:
        return None
    return statistics.linear_regression([math.log(x) for x in xs], [math.log(y) for y in ys]).slope


def no_worse(power: float | None, than: float) -> bool | None:
    """Does it grow by that power at most, but for noise? None when there is nothing to say."""
    return None if power is None else power <= than + _NOISE


def is_flat(values: Sequence[float]) -> bool | None:
    """Is none more than a quarter above the median? None with fewer than two."""
    return None if len(values) < 2 else max(values) <= _FLAT * statistics.median(values)
