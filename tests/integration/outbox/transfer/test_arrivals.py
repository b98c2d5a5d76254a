"""Messages that arrive are put once, also where another has put them in a transaction of its own meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from outbox import Outbox
from outbox.transfer import arrivals as module
from outbox.transfer.arrival import Arrival, of_line
from outbox.transfer.arrivals import Arrivals, Destination
from tests.actors.order_service import placed
from tests.actors.transferring import exported


def arrived(orders: Outbox, count: int) -> list[Arrival]:
    orders.put([placed(number) for number in range(count)], standalone=True)
    orders.sequence()
    return [of_line(line) for line in exported(orders)]


def opened(copy: Outbox) -> Arrivals:
    arrivals = Arrivals(copy.collections)
    arrivals.open()
    return arrivals


def test_what_another_puts_between_the_look_and_the_write_is_put_once(
    orders: Outbox, copy: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, insert, others = arrived(orders, 2), Destination.insert, []

    def after_another(self: Destination, *arguments: Any) -> None:
        if not others:
            others.append(None)
            others.append(opened(copy).put(batch))
        insert(self, *arguments)

    monkeypatch.setattr(Destination, "insert", after_another)

    assert (opened(copy).put(batch), others[1]) == (0, 2)
    assert copy.sequence() == 2


def test_nothing_of_a_batch_is_remembered_when_it_is_not_put(
    orders: Outbox, copy: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = arrived(orders, 2)
    with monkeypatch.context() as patch:
        patch.setattr(Destination, "insert", lambda *_: (_ for _ in ()).throw(OperationFailure("no", 2)))
        with pytest.raises(OperationFailure):
            opened(copy).put(batch)

    assert opened(copy).put(batch) == 2


def test_an_answer_that_was_lost_makes_nothing_twice(
    orders: Outbox, copy: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, transaction, lost = arrived(orders, 2), module.transaction, []

    def without_answer(*arguments: Any) -> Any:
        done = transaction(*arguments)
        if not lost:
            lost.append(1)
            raise AutoReconnect("no answer came")
        return done

    monkeypatch.setattr(module, "transaction", without_answer)
    opened(copy).put(batch)

    assert (lost, copy.sequence()) == ([1], 2)
