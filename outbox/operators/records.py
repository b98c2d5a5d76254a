"""Operators on the reader's own thread: choose by type, and acknowledge after the effect.

RxPY's own do the work, so that what a function raises goes to `on_error`, and what a subscriber raises to the source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Any, Protocol, TypeVar, overload

from reactivex import Observable
from reactivex import operators as ops

from outbox.arguments import check_function
from outbox.errors import InvalidArgument, InvalidSelector
from outbox.events import CaughtUp
from outbox.log.record import Record, note_record
from outbox.messages.declaration import TYPE_NAME, declaration_of
from outbox.operators.marks import passing_marks

M = TypeVar("M")
A = TypeVar("A")
B = TypeVar("B")


class Acknowledges(Protocol):
    """What `ack_after` needs of a consumer."""

    def ack(self, record: Record[Any], /) -> object:
        """Says that a record is handled."""


@overload
def of_type(type: type[M], /) -> Callable[[Observable[Record[Any]]], Observable[Record[M]]]: ...
@overload
def of_type(one: type[A], two: type[B], /) -> Callable[[Observable[Record[Any]]], Observable[Record[A | B]]]: ...
@overload
def of_type(*types: type[Any] | str) -> Callable[[Observable[Record[Any]]], Observable[Record[Any]]]: ...
@overload
def of_type(types: Sequence[type[M]], /) -> Callable[[Observable[Record[Any]]], Observable[Record[M]]]: ...
@overload
def of_type(types: Sequence[type[Any] | str], /) -> Callable[[Observable[Record[Any]]], Observable[Record[Any]]]: ...
def of_type(*types: Any) -> Any:
    """Passes on the records of these types: message classes or type names, one by one or in a list.

    For one branch of a stream; a stream that wants no others reads less with `observe(types=…)`. Marks pass. Raises
    InvalidSelector for what is neither a message class nor a type name, and for none at all.
    """
    given = types[0] if len(types) == 1 and _is_several(types[0]) else types
    names = frozenset(_name(each) for each in given)
    if not names:
        raise InvalidSelector("of_type() without a type would pass nothing: give message classes or type names")

    def is_wanted(item: Record[Any] | CaughtUp) -> bool:
        return isinstance(item, CaughtUp) or item.type in names

    return passing_marks(ops.filter(is_wanted))


def _is_several(value: object) -> bool:
    return isinstance(value, (Sequence, Set)) and not isinstance(value, (str, bytes))


def _name(type: Any) -> str:
    declaration = declaration_of(type)
    if declaration is not None:
        return declaration.type
    if isinstance(type, str) and TYPE_NAME.fullmatch(type):
        return str.__str__(type)  # of an enum's member its value
    raise InvalidSelector(f"of_type: {type!r} is neither a message class (one with @message) nor the name of a type")


def ack_after(
    consumer: Acknowledges, effect: Callable[[Record[M]], object]
) -> Callable[[Observable[Record[M]]], Observable[Record[M]]]:
    """Does `effect(record)`, then `consumer.ack(record)`, and passes the record on.

    One after the other, in order, on the thread that brings them. What either raises goes to `on_error`, and then the
    record is not acknowledged, so that it is delivered again; the error of the effect names the record. Marks pass: all
    before them is acknowledged. Raises InvalidArgument.
    """
    check_function("effect", effect, "a record")
    if isinstance(consumer, type) or not callable(getattr(consumer, "ack", None)):
        raise InvalidArgument(f"consumer={consumer!r}: it has no ack(record); give what orders.consumer(…) returned")

    def handle(item: Record[M] | CaughtUp) -> Record[M] | CaughtUp:
        if isinstance(item, CaughtUp):
            return item
        try:
            effect(item)
        except BaseException as error:
            note_record(error, item, "the effect of ack_after")
            raise
        consumer.ack(item)
        return item

    return passing_marks(ops.map(handle))
