"""What a client was given and has not acknowledged."""

from __future__ import annotations

import json

import pytest

from outbox.errors import DeliveryFailed, InvalidConsumer
from outbox.gateway.delivery.window import MOST_RECORDS, Window
from tests.doubles.records import record, records


class Opened:
    """A window that is open, and what it has acknowledged."""

    def __init__(self, most_bytes: int = 1 << 20) -> None:
        self.done: list[int] = []
        self.window = Window(lambda record: record.key != "hidden", most_bytes)
        self.window.open(self.done.append)

    def send(self, count: int) -> int:
        return self.window.send([(each.seq, each) for each in records(count)])

    def settled(self) -> list[int]:
        self.window.poll(0)
        return self.done


def seqs(window: Window, after: int = 0, limit: int = 100) -> list[int]:
    return [each.seq for each in window.take(after, None, limit).entries]


def test_nothing_is_acknowledged_before_the_client_says_so() -> None:
    opened = Opened()
    opened.send(3)
    opened.window.take(0, None, 100)

    assert opened.settled() == []


def test_an_acknowledgement_counts_for_all_before_it() -> None:
    opened = Opened()
    opened.send(3)
    opened.window.acknowledge(2)

    assert opened.settled() == [1, 2]
    assert seqs(opened.window) == [3]


def test_what_was_acknowledged_elsewhere_before_is_not_given() -> None:
    opened = Opened()
    opened.window.acknowledge(2)
    opened.send(3)

    assert opened.settled() == [1, 2]
    assert seqs(opened.window) == [3]


def test_what_is_not_wanted_is_acknowledged_in_its_turn() -> None:
    opened = Opened()
    opened.window.send([(1, record(1)), (2, record(2, "hidden")), (3, record(3, "hidden"))])

    assert opened.settled() == []
    opened.window.acknowledge(1)
    assert opened.settled() == [1, 2, 3]
    assert opened.window.take(0, None, 9).next == 3


def test_next_is_before_what_did_not_fit() -> None:
    opened = Opened()
    opened.send(3)
    portion = opened.window.take(0, None, 2)

    assert ([each.seq for each in portion.entries], portion.next, portion.is_full) == ([1, 2], 2, True)


def test_a_filter_is_passed_over_up_to_the_first_that_it_takes() -> None:
    opened = Opened()
    kinds = ["a", "b", "a", "b"]
    opened.window.send([(seq, record(seq, type=kind)) for seq, kind in enumerate(kinds, 1)])

    assert opened.window.take(0, {"b"}, 1)[1:] == (3, 1, True)
    assert opened.window.take(0, {"c"}, 1)[1:] == (4, 4, False)


def test_an_answer_has_so_many_bytes_and_one_record_at_least() -> None:
    opened = Opened()
    opened.send(3)
    one = opened.window.take(0, None, 1).entries[0].size

    assert len(opened.window.take(0, None, 9, 2 * one).entries) == 2
    assert len(opened.window.take(0, None, 9, 1).entries) == 1


def test_it_takes_no_more_than_its_bytes_until_some_are_acknowledged() -> None:
    opened = Opened(most_bytes=180)

    assert opened.send(9) == 2
    opened.window.acknowledge(1)
    assert opened.window.send([(3, record(3)), (4, record(4))]) == 1
    assert opened.window.bytes > 180


def test_it_takes_no_more_than_so_many_records() -> None:
    assert Opened().send(MOST_RECORDS + 5) == MOST_RECORDS


def test_what_was_not_acknowledged_comes_again_when_it_is_opened_anew() -> None:
    opened = Opened()
    opened.send(3)
    opened.window.acknowledge(1)
    opened.window.open(opened.done.append)

    assert seqs(opened.window) == []
    opened.send(3)
    assert seqs(opened.window) == [2, 3]


def test_interrupted_it_passes_on_what_was_acknowledged() -> None:
    opened = Opened()
    opened.send(2)
    opened.window.acknowledge(1)
    opened.window.interrupt()

    with pytest.raises(DeliveryFailed):
        opened.window.poll(1)
    assert opened.done == [1]


def test_it_has_no_shares() -> None:
    with pytest.raises(InvalidConsumer):
        Opened().window.another()


def test_a_record_is_given_as_json() -> None:
    opened = Opened()
    opened.send(1)
    given = json.loads(bytes(opened.window.take(0, None, 1).entries[0].json))

    assert given == {
        "seq": 1, "id": "000000000000000000000001", "created": "1970-01-01T00:00:00.000Z", "type": "order.placed",
        "key": "a", "headers": {}, "data": {"total": 1},
    }  # fmt: skip
