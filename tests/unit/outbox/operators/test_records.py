"""`of_type` and `ack_after`: on the thread that brings the records."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
import reactivex
from bson import ObjectId
from mongoengine import EmbeddedDocument  # type: ignore[import-untyped]  # no types
from reactivex.subject import Subject

from outbox import InvalidArgument, InvalidSelector, Record
from outbox.operators import ack_after, of_type
from tests.actors.order_service import OrderCancelled, OrderPlaced
from tests.doubles.records import record, records

PLACED, CANCELLED, COUNTED = (record(1), record(2, type="order.cancelled"), record(3, type="stock.counted"))


class Kind(str, Enum):  # noqa: UP042  # as older code has it
    PLACED = "order.placed"


class Undeclared(EmbeddedDocument):  # type: ignore[misc]  # mongoengine ships no types
    """Is no message, for it has no `@message`."""


class Consumer:
    """Keeps what was acknowledged."""

    def __init__(self, fails_at: int = 0) -> None:
        self.acknowledged: list[int] = []
        self._fails_at = fails_at

    def ack(self, record: Record[Any]) -> None:
        if record.seq == self._fails_at:
            raise ConnectionError("no server")
        self.acknowledged.append(record.seq)


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([OrderPlaced], [1]),
        ([OrderPlaced, OrderCancelled], [1, 2]),
        (["order.cancelled", "stock.counted"], [2, 3]),
        ([OrderPlaced, "stock.counted"], [1, 3]),
        ([[OrderPlaced, OrderCancelled]], [1, 2]),
        ([("stock.counted",)], [3]),
        ([Kind.PLACED], [1]),
        (["order.shipped"], []),
    ],
)
def test_it_passes_the_records_of_the_types(types: list[Any], expected: list[int]) -> None:
    seen: list[Record[Any]] = []
    reactivex.of(PLACED, CANCELLED, COUNTED).pipe(of_type(*types)).subscribe(seen.append)

    assert [each.seq for each in seen] == expected


@pytest.mark.parametrize(
    "types", [[7], [int], [Undeclared], [None], ["order placed"], [""], [OrderPlaced(order_id="1")]]
)
def test_what_is_no_type_is_refused_at_the_call(types: list[Any]) -> None:
    with pytest.raises(InvalidSelector, match=r"of_type: .* neither a message class .* nor the name of a type"):
        of_type(*types)


@pytest.mark.parametrize("types", [[], [[]], [()]])
def test_no_type_at_all_is_refused_at_the_call(types: list[Any]) -> None:
    with pytest.raises(InvalidSelector, match="would pass nothing"):
        of_type(*types)


def test_what_is_no_record_goes_to_on_error() -> None:
    errors: list[Exception] = []
    reactivex.of("text").pipe(of_type(OrderPlaced)).subscribe(on_error=errors.append)  # type: ignore[arg-type]  # the point

    assert [type(each) for each in errors] == [AttributeError]


def test_the_effect_comes_before_the_acknowledgement_and_that_before_the_record() -> None:
    seen: list[object] = []

    class Tells(Consumer):
        def ack(self, record: Record[Any]) -> None:
            seen.append(("ack", record.seq))

    reactivex.from_iterable(records(2)).pipe(
        ack_after(Tells(), lambda each: seen.append(("effect", each.seq)))
    ).subscribe(lambda each: seen.append(("on_next", each.seq)))

    assert seen == [(step, seq) for seq in (1, 2) for step in ("effect", "ack", "on_next")]


def test_a_record_whose_effect_failed_is_not_acknowledged_and_no_later_one_is() -> None:
    consumer = Consumer()
    seen: list[Record[Any]] = []
    errors: list[Exception] = []

    def effect(each: Record[Any]) -> None:
        if each.seq == 2:
            raise ValueError("no such order")

    reactivex.from_iterable(records(3)).pipe(ack_after(consumer, effect)).subscribe(seen.append, errors.append)

    assert (consumer.acknowledged, [each.seq for each in seen]) == ([1], [1])
    assert [str(each) for each in errors] == ["no such order"]
    assert errors[0].__notes__ == [
        f"raised by the effect of ack_after at the record with seq 2 (id {ObjectId((2).to_bytes(12, 'big'))})"
    ]


def test_an_acknowledgement_that_fails_goes_to_on_error() -> None:
    consumer = Consumer(fails_at=2)
    seen: list[Record[Any]] = []
    errors: list[Exception] = []
    reactivex.from_iterable(records(3)).pipe(ack_after(consumer, lambda each: None)).subscribe(
        seen.append, errors.append
    )

    assert (consumer.acknowledged, [each.seq for each in seen]) == ([1], [1])
    assert [type(each) for each in errors] == [ConnectionError]


def test_what_a_subscriber_raises_comes_back_to_the_source() -> None:
    """As behind any operator on the source's thread: `observe` gives it to on_error from there."""
    consumer, source = Consumer(), Subject[Record[Any]]()

    def fails(each: Record[Any]) -> None:
        raise ValueError("the subscriber's own")

    source.pipe(of_type(OrderPlaced), ack_after(consumer, lambda each: None)).subscribe(fails)

    with pytest.raises(ValueError, match="the subscriber's own"):
        source.on_next(record(1))
    assert consumer.acknowledged == [1], "its effect was done"


@pytest.mark.parametrize("effect", [None, "handle", 7])
def test_an_effect_that_cannot_be_called_is_refused_at_the_call(effect: Any) -> None:
    with pytest.raises(InvalidArgument, match="effect="):
        ack_after(Consumer(), effect)


@pytest.mark.parametrize("consumer", [None, "billing", object(), Consumer])
def test_what_cannot_acknowledge_is_refused_at_the_call(consumer: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"consumer=.*no ack"):
        ack_after(consumer, lambda each: None)
