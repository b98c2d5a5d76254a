"""Records of the log for the page."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from bson import ObjectId

from outbox import Outbox
from relay.monitoring.page import records
from relay.monitoring.page.records import Wanted, newest, one
from tests.actors.order_service import OrderCancelled, placed


@pytest.fixture
def history(orders: Outbox) -> Outbox:
    """130 records in batches of some: keys 0, 1 and 2 in turn, each tenth a cancellation."""
    for start in range(0, 130, 26):
        messages = [
            OrderCancelled(order_id=str(n % 3)) if n % 10 == 0 else placed(n, order_id=str(n % 3))
            for n in range(start, start + 26)
        ]
        orders.put(messages, standalone=True)
        orders.sequence()
    assert orders.log.head() == 130
    return orders


def walked(outbox: Outbox, **asked: Any) -> list[list[int]]:
    """The seqs that are found, answer by answer."""
    answers, before = [], records.HIGHEST_SEQ
    while True:
        told = newest(outbox.collections, Wanted(**asked, before=before), with_data=False)
        answers.append([each["seq"] for each in told["records"]])
        if told["next"] is None:
            return answers
        before = told["next"]


def test_they_come_newest_first_some_at_a_time_and_each_once(history: Outbox) -> None:
    answers = walked(history)

    assert [len(each) for each in answers] == [50, 50, 30]
    assert list(chain.from_iterable(answers)) == list(range(130, 0, -1))


def test_they_are_searched_by_key_and_type(history: Outbox) -> None:
    found = list(chain.from_iterable(walked(history, key="1", type="order.cancelled")))

    assert found == [n + 1 for n in range(129, -1, -1) if n % 10 == 0 and n % 3 == 1]


@pytest.mark.parametrize("window", [1, 7, 26])
def test_however_little_is_searched_at_a_time_nothing_is_passed_over(
    history: Outbox, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_WINDOW", window)

    assert list(chain.from_iterable(walked(history, key="2"))) == [n + 1 for n in range(129, -1, -1) if n % 3 == 2]


def test_a_search_that_takes_long_says_how_far_it_came(history: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "SEARCH_SECONDS", 0.0)
    told = newest(history.collections, Wanted(key="nobody's"), with_data=False)

    assert (told["records"], told["next"]) == ([], 131)


def test_one_is_found_by_its_seq_and_by_its_id_with_where_it_is(history: Outbox) -> None:
    by_seq = one(history.collections, None, 7, with_data=True)
    by_id = one(history.collections, ObjectId(by_seq["record"]["id"]), None, with_data=True)

    assert by_id == by_seq
    assert by_seq["record"]["data"] == '{"order_id": "0", "total": 6}'
    assert by_seq["where"]["place"] == "log"


def test_what_is_nowhere_is_no_record(history: Outbox) -> None:
    assert one(history.collections, None, 131, with_data=True) == {"record": None, "where": None}
    nowhere = one(history.collections, ObjectId(), None, with_data=True)
    assert (nowhere["record"], nowhere["where"]["place"]) == (None, "unknown")


def test_data_is_for_those_who_may_see_it(history: Outbox) -> None:
    [hidden] = {tuple(each) for each in newest(history.collections, Wanted(), with_data=False)["records"]}

    assert hidden == ("seq", "id", "created", "type", "key")


def test_data_that_is_long_is_cut(orders: Outbox) -> None:
    orders.put([placed(1, note="n" * 1000), placed(2, note="n" * 300_000)], standalone=True)
    orders.sequence()

    [large, long] = newest(orders.collections, Wanted(), with_data=True)["records"]

    assert (len(long["data"]), long["cut"]) == (300, True)
    assert (large["data"], large["cut"]) == ("(300,051 bytes)", True)
    assert one(orders.collections, None, 1, with_data=True)["record"]["cut"] is False
