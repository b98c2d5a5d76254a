"""Making a projection: what is left out has a default, and what is wrong is said there, before anything runs."""

from __future__ import annotations

import pytest

from outbox import InvalidName, InvalidProjection, InvalidSelector, Outbox, OutboxClosed, UnknownReader
from tests.actors.order_service import placed
from tests.actors.projecting import add, caught_up, revenue
from tests.actors.running import put


def test_a_state_is_a_document_and_there_is_one_unless_somebody_says_otherwise(orders: Outbox) -> None:
    put(orders, placed(10, "a"), placed(20, "b"))
    projection = orders.projection("revenue", apply=add)

    caught_up(projection)

    assert list(projection.states()) == [(None, {"count": 2, "total": 30})]


def test_it_says_what_is_wrong_where_it_is_made(orders: Outbox) -> None:
    for options in (
        {"initial": None}, {"initial": {}}, {"initial": lambda: None}, {"initial": lambda: {1, 2}},
        {"initial": lambda: {"a": (1,)}}, {"apply": None}, {"apply": 3}, {"by": "sku"}, {"by": 3},
        {"snapshot_every": 0}, {"snapshot_every": True}, {"snapshot_every": 1.5}, {"version": 0}, {"version": "2"},
        {"version": True}, {"shares": 0, "by": "key"}, {"on_event": 3},
    ):  # fmt: skip
        with pytest.raises(InvalidProjection):
            revenue(orders, **options)
    for name in ("", "a b", "a/b", "revenue~new"):
        with pytest.raises(InvalidName):
            orders.projection(name, apply=add)
    with pytest.raises(InvalidProjection, match="reset"):
        revenue(orders).reset(True)
    with pytest.raises(InvalidSelector):
        revenue(orders).state(1.5)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(UnknownReader):
        revenue(orders).rebuild()


def test_a_closed_outbox_makes_none(orders: Outbox) -> None:
    orders.close()

    with pytest.raises(OutboxClosed):
        revenue(orders)
