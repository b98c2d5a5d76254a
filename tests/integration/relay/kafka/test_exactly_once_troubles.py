"""Exactly once by a real broker, while MongoDB's client has odd options, meets errors, or has its work killed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from outbox import Outbox
from relay import Relay
from relay.encoding.topics import Topics
from relay.kafka.transactional_sink import KafkaTransactions
from tests.actors.administrator import KILLS, Kill, killing
from tests.actors.answers import answering
from tests.actors.consumer import create_small_topic, header, read_topic
from tests.actors.order_service import new_outbox, placed
from tests.actors.relay_thread import Relaying, cursor_of, run_once, saved_seq
from tests.servers.kafka import create_cursor_topic
from tests.waiting import wait_until

pytestmark = pytest.mark.heavy

Document = dict[str, Any]
APP = "a client of exactly once"
LIMIT = 10_000
"""What the topic takes at most, in bytes."""

NewRelay = Callable[[Outbox], Relay]


@pytest.fixture
def new_relay(kafka: str, topic_name: str) -> NewRelay:
    """Each has a sink of its own; one that follows another fences it."""
    create_small_topic(kafka, topic_name, LIMIT)
    create_cursor_topic(kafka, f"{topic_name}.cursors")

    def make(orders: Outbox) -> Relay:
        sink = KafkaTransactions(kafka, cursors=f"{topic_name}.cursors")
        return Relay(orders, sink, topics=Topics(topic_name), on_poison="dead-letter", chance=lambda: 0.0)

    return make


@pytest.fixture
def committed(kafka: str, topic_name: str) -> Callable[[int], list[int]]:
    """The seqs of all that was committed, as soon as there are so many; a consumer reads only that."""

    def read(count: int) -> list[int]:
        found = read_topic(kafka, topic_name, lambda messages: len(messages) >= count)
        return [int(header(each, "seq")) for each in found]

    return read


@pytest.fixture
def calm(database: Database[Document]) -> Iterator[Outbox]:
    """An outbox through a client that meets nothing, to put with and to look with."""
    with new_outbox(database, capacity="16 MiB", sequence=False) as calm:
        yield calm


def put(orders: Outbox, count: int) -> None:
    orders.put([placed(total, order_id=str(total % 3)) for total in range(count)], standalone=True)


@pytest.mark.parametrize(
    "option",
    [
        "readPreference=secondaryPreferred", "readPreference=nearest&maxStalenessSeconds=90", "readConcernLevel=local",
        "readConcernLevel=snapshot", "w=0", "retryReads=false&retryWrites=false", "timeoutMS=300",
        "compressors=zlib&tz_aware=true", "unicode_decode_error_handler=ignore", "datetime_conversion=DATETIME_MS",
    ],
)  # fmt: skip
def test_an_option_of_the_address_changes_nothing(
    mongo_uri: str, calm: Outbox, new_relay: NewRelay, committed: Callable[[int], list[int]], option: str
) -> None:
    """Twice, for the second one finds its place in Kafka; and with a message that the topic does not take."""
    put(calm, 5)
    with (
        MongoClient[Document](f"{mongo_uri}&{option}") as client,
        Outbox(client[calm.collections.database.name]) as orders,
    ):
        run_once(new_relay(orders))
        calm.put(placed(5, note="x" * 2 * LIMIT), standalone=True)
        put(calm, 5)
        run_once(new_relay(orders))

    assert sorted(committed(10)) == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    assert [each["seq"] for each in calm.collections.dead.find()] == [6]
    assert (cursor_of(calm) or {})["in_kafka"]


@pytest.mark.parametrize("code", [11601, 91, 10107])
@pytest.mark.parametrize("command", ["find", "findAndModify", "insert", "update", "commitTransaction", "getMore"])
def test_errors_that_a_server_answers_for_a_moment_send_nothing_twice(
    mongo_uri: str,
    mongo: MongoClient[Document],
    calm: Outbox,
    new_relay: NewRelay,
    committed: Callable[[int], list[int]],
    command: str,
    code: int,
) -> None:
    put(calm, 10)
    with (
        MongoClient[Document](mongo_uri, appname=APP, heartbeatFrequencyMS=500) as client,
        Outbox(client[calm.collections.database.name]) as orders,
        answering(mongo, APP, [command], 1 if command == "commitTransaction" else 3, errorCode=code),
        Relaying(new_relay(orders)) as relaying,
    ):
        wait_until(lambda: relaying.ended or saved_seq(calm) == 10, 60, "all to be delivered")
        calm.put(placed(0, note="x" * 2 * LIMIT), standalone=True)
        put(calm, 9)
        wait_until(lambda: relaying.ended or saved_seq(calm) == 20, 60, "the rest to be delivered")

    assert sorted(committed(19)) == [*range(1, 11), *range(12, 21)]
    assert [each["seq"] for each in calm.collections.dead.find()] == [11]


@pytest.mark.parametrize("kill", KILLS)
def test_whatever_an_administrator_kills_nothing_is_sent_twice_or_lost(
    mongo_uri: str,
    mongo: MongoClient[Document],
    calm: Outbox,
    new_relay: NewRelay,
    committed: Callable[[int], list[int]],
    kill: Kill,
) -> None:
    with (
        MongoClient[Document](mongo_uri, appname=APP) as client,
        Outbox(client[calm.collections.database.name]) as orders,
        Relaying(new_relay(orders)) as relaying,
    ):
        tried = 0
        with killing(mongo, APP, kill) as count:
            while tried < 40 or (count() < 8 and tried < 4_000):
                with contextlib.suppress(PyMongoError):  # all sessions are also the service's
                    put(calm, 1)
                tried += 1
        wait_until(lambda: relaying.ended or calm.collections.staging.find_one() is None, 60, "all to be numbered")
        head = calm.log.head()
        wait_until(lambda: relaying.ended or saved_seq(calm) == head, 60, "all to be delivered")

    assert count() >= 8
    assert sorted(committed(head)) == list(range(1, head + 1))
