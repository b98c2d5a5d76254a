"""How long to wait before trying again: a pure function."""

from __future__ import annotations

from collections.abc import Callable

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 5.0


def delay(attempt: int, random: Callable[[], float]) -> float:
    """Seconds to wait after the `attempt`-th failure in a row (from 1): doubling, capped, less up to half by chance.

    `random` gives floats in [0, 1). The jitter keeps relays that lost the same server from coming back in step.
    """
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, not {attempt}")
    # The exponent is capped too: 2.0 ** 1024 overflows, and a broker may be down for days.
    longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt - 1, 32))
    return longest * (0.5 + 0.5 * random())
