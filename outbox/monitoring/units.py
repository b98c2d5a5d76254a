"""Bytes and seconds as people say them."""

from __future__ import annotations

_SPANS = (("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def format_bytes(count: float) -> str:
    """A count of bytes, with three digits: "512 B", "1.17 MiB", "64 MiB"."""
    unit = "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if count < 999.5:
            break
        count, unit = count / 1024, larger
    return f"{count:.3g} {unit}"


def format_duration(seconds: float) -> str:
    """Seconds in the largest unit of which there are two: "90 s", "12 min", "36 h", "5 days"."""
    unit, length = next((each for each in _SPANS if seconds >= 2 * each[1]), _SPANS[-1])
    return f"{seconds / length:,.0f} {unit}"
