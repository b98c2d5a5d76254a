"""Dead letters of a log that was made anew: two may have one seq, and each is sent, kept or given up as itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from outbox import Outbox
from outbox.dead_letters.admin import Selection
from outbox.dead_letters.document import as_json
from relay import Relay
from relay.errors import LetterCorrupt
from relay.testing import MemorySink, MemoryTransactions
from tests.actors.price_service import arrived, dead_letter_admin, make_anew, new_prices, put, refuse, relay, sent
from tests.actors.relay_thread import Relaying, run_once
from tests.waiting import wait_until

Document = dict[str, Any]
OF = pytest.mark.parametrize("said", ["both", "later", "none"])
"""Which letters say of which log they are: a version of before did not write that."""


@pytest.fixture
def prices(database: Database[Document]) -> Iterator[Outbox]:
    with new_prices(database, capacity="8 MiB", sequence=False) as outbox:
        yield outbox


@pytest.fixture(params=[MemorySink, MemoryTransactions])
def sink(request: pytest.FixtureRequest) -> MemorySink:
    return request.param()


def aside(prices: Outbox, sink: MemorySink, *keys: str | None, count: int | None = None) -> list[ObjectId]:
    """Messages of these keys, of which the first are refused; what is parked behind them is put aside, too."""
    ids = put(prices, *keys)
    head = prices.log.head()
    refuse(sink, *range(head - len(keys) + 1, head - len(keys) + 1 + (len(keys) if count is None else count)))
    run_once(relay(prices, sink))
    return ids


def unsay(prices: Outbox, said: str, now: str) -> None:
    if said == now:
        prices.collections.dead.update_many({}, {"$unset": {"log": 1}})


def logs(sink: MemorySink) -> list[str]:
    return [dict(each.headers)["log"].decode() for each in sink.records]


def left(prices: Outbox) -> list[ObjectId]:
    return [each["_id"] for each in prices.collections.dead.find(sort=[("_id", 1)])]


def in_text(*ids: ObjectId) -> list[str]:
    return [str(each) for each in ids]


def test_a_letter_says_which_log_it_is_of(prices: Outbox, sink: MemorySink) -> None:
    [dead, _] = aside(prices, sink, "a", "a", count=1)
    named = f"{prices.collections.log.full_name}/{bytes(prices.log.describe().uuid).hex()[:8]}"

    assert prices.collections.dead.distinct("log") == [named]
    letter = dead_letter_admin(prices).letter(dead)
    assert letter is not None
    assert as_json(letter)["log"] == named


@OF
def test_two_letters_of_one_seq_are_both_sent_the_older_first(prices: Outbox, sink: MemorySink, said: str) -> None:
    """Goes red when a seq is taken for one message: the relay would wait for the other for ever."""
    one = aside(prices, sink, "a", "b")
    old = prices.log.identity()
    make_anew(prices)
    unsay(prices, said, now="later")
    other = aside(prices, sink, "c", "d")
    refuse(sink)
    put(prices, "e")

    unsay(prices, said, now="none")
    dead_letter_admin(prices).requeue(Selection())
    run_once(relay(prices, sink))

    assert sent(sink)[:4] == in_text(*one, *other)
    assert len(sent(sink)) == 5
    assert left(prices) == []
    unknown = f"{prices.collections.log.full_name}/00000000"
    assert logs(sink) == [old if said == "both" else unknown] * 2 + [prices.log.identity()] * 3


@OF
@pytest.mark.parametrize("refused", [0, 1])
def test_of_two_letters_of_one_seq_the_one_that_is_refused_again_stays(
    prices: Outbox, sink: MemorySink, said: str, refused: int
) -> None:
    """Goes red when the one takes the other's place: it would be neither delivered nor a dead letter."""
    ids = aside(prices, sink, "a")
    make_anew(prices)
    unsay(prices, said, now="later")
    ids += aside(prices, sink, "b")
    refuse(sink)
    prices.collections.dead.update_one({"_id": ids[refused]}, {"$set": {"data": {"price": float("nan")}}})

    unsay(prices, said, now="none")
    dead_letter_admin(prices).requeue(Selection())
    run_once(relay(prices, sink))

    assert sent(sink) == in_text(ids[1 - refused])
    assert left(prices) == [ids[refused]]
    assert prices.collections.dead.distinct("attempts") == [2]


@OF
def test_what_is_parked_of_two_logs_comes_back_in_order(prices: Outbox, sink: MemorySink, said: str) -> None:
    ids = aside(prices, sink, "a", "a", "a", count=1)
    make_anew(prices)
    unsay(prices, said, now="later")
    ids += aside(prices, sink, "a", "a", count=0)  # behind the dead one of before
    refuse(sink)
    assert len(left(prices)) == 5

    unsay(prices, said, now="none")
    dead_letter_admin(prices).requeue(Selection(id=ids[3]))
    run_once(relay(prices, sink))

    assert sent(sink) == in_text(*ids)
    assert left(prices) == []


@OF
def test_behind_one_that_is_refused_again_what_another_log_parked_stays(
    prices: Outbox, sink: MemorySink, said: str
) -> None:
    ids = aside(prices, sink, "a", "a", count=1)
    make_anew(prices)
    unsay(prices, said, now="later")
    ids += aside(prices, sink, "a", "b", count=0)
    assert sent(sink) == in_text(ids[3])
    prices.collections.dead.update_one({"_id": ids[0]}, {"$set": {"data": {"price": float("nan")}}})

    unsay(prices, said, now="none")
    dead_letter_admin(prices).requeue(Selection())
    run_once(relay(prices, sink))

    assert sent(sink) == in_text(ids[3])
    assert left(prices) == ids[:3]


@OF
def test_letters_beyond_the_end_of_the_new_log_do_not_wait_for_it(prices: Outbox, sink: MemorySink, said: str) -> None:
    """Goes red when any letter with a seq behind the cursor is taken for one that the log comes to again."""
    put(prices, *["x"] * 20)
    run_once(relay(prices, sink))
    ids = aside(prices, sink, "a", "a", count=1)
    make_anew(prices)
    unsay(prices, said, now="later")
    put(prices, "b")
    refuse(sink)
    run_once(relay(prices, sink))

    unsay(prices, said, now="none")
    dead_letter_admin(prices).requeue(Selection())
    with Relaying(relay(prices, sink)):
        wait_until(lambda: sent(sink)[-2:] == in_text(*ids), 60, "the letters")

    assert left(prices) == []


def test_one_of_two_letters_of_a_seq_can_be_discarded(prices: Outbox, sink: MemorySink) -> None:
    ids = aside(prices, sink, "a", "a", count=1)
    make_anew(prices)
    ids += aside(prices, sink, "b", "b", count=1)
    refuse(sink)

    assert dead_letter_admin(prices).discard(Selection(id=ids[2])) == 1
    run_once(relay(prices, sink))

    assert sent(sink) == in_text(ids[3])
    assert left(prices) == ids[:2]


def test_shares_send_the_letters_of_two_logs(prices: Outbox, sink: MemorySink) -> None:
    keys = [f"k{n}" for n in range(8)]
    ids = aside(prices, sink, *keys)
    make_anew(prices)
    ids += aside(prices, sink, *keys)
    refuse(sink)
    prices.collections.leases.update_one({"_id": "relay:kafka"}, {"$set": {"wanted": 3}})

    dead_letter_admin(prices).requeue(Selection())
    run_once(Relay(prices, sink, on_poison="park-key", lease_seconds=1.0, chance=lambda: 0.0))

    assert sorted(sent(sink)) == sorted(in_text(*ids))
    for key in keys:
        mine = [id for id, (its, _) in zip(sent(sink), arrived(sink), strict=True) if its == key]
        assert mine == in_text(ids[keys.index(key)], ids[8 + keys.index(key)])


def test_many_letters_that_share_their_seqs_are_all_sent(prices: Outbox, sink: MemorySink) -> None:
    ids = aside(prices, sink, *[None] * 30)
    for _ in range(3):
        make_anew(prices)
        ids += aside(prices, sink, *[None] * 30)
    refuse(sink)

    dead_letter_admin(prices).requeue(Selection())
    run_once(relay(prices, sink))

    assert sent(sink) == in_text(*ids)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seq": None}, {"seq": "1"}, {"seq": 0}, {"seq": 1.5}, {"seq": float("nan")}, {"created": "today"},
        {"type": 7}, {"key": 7}, {"log": 7},
    ],
)  # fmt: skip
def test_a_letter_that_no_relay_has_written_is_named_and_stays(
    prices: Outbox, sink: MemorySink, wrong: Document
) -> None:
    [id] = aside(prices, sink, "a")
    refuse(sink)
    prices.collections.dead.update_one({"_id": id}, {"$set": wrong})
    dead_letter_admin(prices).requeue(Selection())

    with pytest.raises(
        LetterCorrupt, match=f"{id} cannot be sent again: its field '{next(iter(wrong))}' is .* discard {id}"
    ):
        run_once(relay(prices, sink))

    assert left(prices) == [id]
    assert dead_letter_admin(prices).discard(Selection(id=id)) == 1
    run_once(relay(prices, sink))


@pytest.mark.parametrize("missing", ["seq", "created", "type", "key", "headers", "data"])
def test_so_is_one_that_lacks_something(prices: Outbox, sink: MemorySink, missing: str) -> None:
    [id] = aside(prices, sink, "a")
    prices.collections.dead.update_one({"_id": id}, {"$unset": {missing: 1}})
    dead_letter_admin(prices).requeue(Selection())

    with pytest.raises(LetterCorrupt, match=f"its field '{missing}' is missing"):
        run_once(relay(prices, sink))

    assert left(prices) == [id]


def test_a_seq_that_mongosh_has_made_a_double_is_one(prices: Outbox, sink: MemorySink) -> None:
    [id] = aside(prices, sink, "a")
    refuse(sink)
    prices.collections.dead.update_one({"_id": id}, {"$set": {"seq": 1.0}})

    dead_letter_admin(prices).requeue(Selection())
    run_once(relay(prices, sink))

    assert sent(sink) == in_text(id)
    assert dict(sink.records[0].headers)["seq"] == b"1"
