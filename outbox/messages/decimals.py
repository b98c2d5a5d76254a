"""Makes BSON's decimals of Python's."""

from __future__ import annotations

from decimal import Decimal

from bson import Decimal128

_DIGITS, _LEAST, _MOST = 34, -6176, 6111


def decimal128(number: Decimal) -> Decimal128 | None:
    """Makes the Decimal128 that has the same digits and exponent, sooner than pymongo does.

    None when there is none: a number with too many digits or of another range, for pymongo to look at, or no number.
    """
    sign, digits, exponent = number.as_tuple()
    if len(digits) > _DIGITS or not isinstance(exponent, int) or not _LEAST <= exponent <= _MOST:
        return None
    whole = 0
    for digit in digits:
        whole = 10 * whole + digit
    return Decimal128.from_bid((sign << 127 | (exponent - _LEAST) << 113 | whole).to_bytes(16, "little"))
