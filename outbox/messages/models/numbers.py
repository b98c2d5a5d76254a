"""The forms of numbers and of bool."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from typing import Any

from bson import Decimal128, Int64

from outbox.messages.decimals import decimal128
from outbox.messages.dialects import Dialect, Schema
from outbox.messages.models.forms import Unfit, short
from outbox.messages.models.scalars import Scalar, no
from outbox.messages.writing.layout import BOOL, DECIMAL, DOUBLE, INT, ValueLayout

_EXACT = Context(prec=20_000, Emax=9_999_999, Emin=-9_999_999)


class Whole(Scalar):
    """Stores int."""

    @property
    def is_plain(self) -> bool:
        return True

    def schema(self, dialect: Dialect) -> Schema:
        schema = {**super().schema(dialect), **self.limits.bounds(dialect, lambda bound: bound)}
        step = self.limits.multiple_of
        return schema if step is None else {**schema, "multipleOf": step}

    def encode(self, value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            raise no(value, "a whole number")
        number = int(value)
        if not -(2**63) <= number < 2**63:
            raise Unfit(f"{short(number)} has more than 64 bits")
        self.limits.check_number(number)
        if self.limits.multiple_of is not None and number % self.limits.multiple_of != 0:
            raise Unfit(f"{number} is no multiple of {self.limits.multiple_of}")
        return number

    @property
    def layout(self) -> ValueLayout:
        return super().layout if self.limits.multiple_of is not None else (INT, self.limits.layout, None)

    def decode(self, stored: Any) -> Any:
        if type(stored) not in (int, Int64):
            raise no(stored, "a whole number")
        return int(stored)


class Double(Scalar):
    """Stores float."""

    @property
    def is_plain(self) -> bool:
        return True

    def schema(self, dialect: Dialect) -> Schema:
        return {**super().schema(dialect), **self.limits.bounds(dialect, float)}

    def encode(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (float, int)):
            raise no(value, "a float")
        number = exact_float(value) if isinstance(value, int) else float(value)
        if not math.isfinite(number):
            raise Unfit(f"{number} is no number that JSON has")
        self.limits.check_number(number)
        return number

    @property
    def layout(self) -> ValueLayout:
        return DOUBLE, self.limits.layout, None

    def decode(self, stored: Any) -> Any:
        if isinstance(stored, bool) or not isinstance(stored, (float, int)):
            raise no(stored, "a float")
        return float(stored)


def exact_float(value: int) -> float:
    """Returns the float that is this whole number. Raises Unfit if there is none."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if number != value:
        raise Unfit(f"{short(value)} has more digits than a float keeps: give a float, or make the field an int")
    return number


class Exact(Scalar):
    """Stores Decimal."""

    def schema(self, dialect: Dialect) -> Schema:
        schema = super().schema(dialect)
        if dialect.people:
            return schema
        schema |= self.limits.bounds(dialect, lambda bound: Decimal128(str(bound)))
        step = self.limits.multiple_of
        return schema if step is None else {**schema, "multipleOf": Decimal128(str(step))}

    def encode(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
            raise no(value, "a Decimal")
        number = Decimal(value)
        if not number.is_finite():
            raise Unfit(f"{number} is no number that JSON has")
        self.limits.check_number(number)
        stored = _exact_decimal(number)
        step = self.limits.multiple_of
        if step is not None and _EXACT.remainder(number, Decimal(step)) != 0:
            raise Unfit(f"{number} is no multiple of {step}")
        return stored

    @property
    def layout(self) -> ValueLayout:
        return super().layout if self.limits.multiple_of is not None else (DECIMAL, self.limits.layout, None, Decimal)

    def decode(self, stored: Any) -> Any:
        if not isinstance(stored, Decimal128):
            raise no(stored, "a Decimal128")
        return stored.to_decimal()


def _exact_decimal(number: Decimal) -> Decimal128:
    made = decimal128(number)
    if made is not None:
        return made
    try:
        stored = Decimal128(number)
        if stored.to_decimal() == number:
            return stored
    except ArithmeticError:
        pass
    raise Unfit(f"{short(number)} has more digits than a Decimal128 keeps")


class Truth(Scalar):
    """Stores bool."""

    @property
    def is_plain(self) -> bool:
        return True

    def encode(self, value: Any) -> Any:
        if not isinstance(value, bool):
            raise no(value, "a bool")
        return value

    @property
    def layout(self) -> ValueLayout:
        return (BOOL,)

    def decode(self, stored: Any) -> Any:
        return self.encode(stored)
