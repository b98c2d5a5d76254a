"""What Kafka has taken is deleted there: by hand or by retention, with its topic, or with the topic of the cursors."""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition

from outbox import Outbox
from outbox.clock import SystemClock
from outbox.shares.cursor_admin import move
from relay.kafka.transactional_sink import CURSORS
from tests.acceptance.process import Process
from tests.acceptance.topic import PARTITIONS
from tests.faults.conftest import Far
from tests.faults.service import Service
from tests.servers.kafka import admin_client, create_cursor_topic, create_topic
from tests.waiting import wait_until

MODES = {"at least once": (), "exactly once": ("--exactly-once",)}
modes = pytest.mark.parametrize("mode", MODES.values(), ids=MODES.keys())

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]


@pytest.fixture(autouse=True)
def cursors(far: Far) -> None:
    """The topic of exactly-once cursors."""
    create_cursor_topic(far.broker.bootstrap)


def delete_records(service: Service) -> None:
    """All that the topic has by now."""
    places = [TopicPartition(service.topic.name, partition, -1) for partition in range(PARTITIONS)]
    admin = admin_client(service.topic.bootstrap)
    for deleted in admin.delete_records(places).values():
        deleted.result(30)


def delete_topic(bootstrap: str, name: str) -> None:
    admin = admin_client(bootstrap)
    admin.delete_topics([name])[name].result(30)
    wait_until(lambda: name not in admin.list_topics(timeout=5).topics, 30, "the topic to be gone")


def has_done_something(service: Service, relay: Process, since: int) -> bool:
    return relay.exit_code is not None or service.saved() > since + 100


def seqs(service: Service) -> list[int]:
    """What the topic has, in order, each once."""
    return sorted({record.seq for record in service.topic.records()})


def skipped(service: Service) -> list[int]:
    """What the topic has not, although it has an earlier record of the same key."""
    has, begun = set(seqs(service)), set()
    missing = []
    for record in Outbox(service.ledger.database).read():
        if record.seq in has:
            begun.add(record.key)
        elif record.key in begun:
            missing.append(record.seq)
    return missing


@modes
def test_deleted_records_are_not_sent_again_unless_the_cursor_is_set_back(
    far_service: Service, mode: tuple[str, ...]
) -> None:
    """The partitions are cut one after the other while records arrive: only by key is it certain what is kept."""
    service = far_service
    service.write()
    relay = service.relay(*mode, lease=1)
    service.wait_until_delivered(200)
    delete_records(service)
    service.wait_until_delivered(200)
    written = service.finish()
    relay.stop()
    kept = seqs(service)
    assert (kept[0] > 1, kept[-1], skipped(service)) == (True, service.ledger.head(), [])

    move(Outbox(service.ledger.database).collections, "relay:kafka", 0, SystemClock())
    relay = service.relay(*mode, lease=1)
    wait_until(lambda: seqs(service)[0] == 1 and service.saved() == service.ledger.head(), 60, "all to be sent again")
    relay.stop()

    assert service.ledger.faults(written) == []
    assert seqs(service) == list(range(1, len(written.committed) + 1))


@modes
def test_a_topic_that_was_deleted_and_made_anew_gets_all_the_rest_of_each_key(
    far_service: Service, far: Far, mode: tuple[str, ...]
) -> None:
    """What was in the old topic is gone with it; the relay stops with exit code 4 or goes on, and skips nothing.

    The partitions of the old topic end one after the other, so only by key is it certain what the new one begins with.
    """
    service = far_service
    service.write()
    relay = service.relay(*mode, lease=1)
    service.wait_until_delivered(200)
    delivered = service.saved()
    delete_topic(far.broker.bootstrap, service.topic.name)
    before = service.ledger.head()
    create_topic(far.broker.bootstrap, service.topic.name)
    wait_until(lambda: has_done_something(service, relay, before), 90, "the relay to do something")
    if relay.exit_code is not None:
        assert relay.exit_code == 4, relay.said()
        relay = service.relay(*mode, lease=1)
    written = service.finish()
    relay.stop()

    assert service.ledger.faults(written) == []
    assert skipped(service) == []
    assert delivered < seqs(service)[-1] == service.ledger.head()


def test_a_relay_whose_stored_cursor_is_gone_stops_and_goes_on_where_it_is_told(far_service: Service, far: Far) -> None:
    service = far_service
    service.write()
    relay = service.relay("--exactly-once", lease=1)
    service.wait_until_delivered(200)
    relay.stop()
    delete_topic(far.broker.bootstrap, CURSORS)
    create_cursor_topic(far.broker.bootstrap)

    refused = service.relay("--exactly-once", lease=1)
    assert refused.wait(60) == 4, refused.said()
    assert f"relay cursor set {service.saved()}" in refused.said()
    move(Outbox(service.ledger.database).collections, "relay:kafka", service.saved(), SystemClock())
    relay = service.relay("--exactly-once", lease=1)
    written = service.finish()
    relay.stop()

    seen = service.topic.records()
    assert service.ledger.faults(written, seen) == []
    assert len(seen) == len(written.committed)


def test_the_topic_of_the_cursors_may_be_made_anew_under_a_relay(far_service: Service, far: Far) -> None:
    """It goes on, or stops with exit code 4 until it is told where to: nothing is skipped either way."""
    service = far_service
    service.write()
    relay = service.relay("--exactly-once", lease=1)
    service.wait_until_delivered(200)
    delete_topic(far.broker.bootstrap, CURSORS)
    before = service.ledger.head()
    create_cursor_topic(far.broker.bootstrap)
    wait_until(lambda: has_done_something(service, relay, before), 90, "the relay to do something")
    if relay.exit_code is not None:
        assert relay.exit_code == 4, relay.said()
        move(Outbox(service.ledger.database).collections, "relay:kafka", service.saved(), SystemClock())
        relay = service.relay("--exactly-once", lease=1)
    written = service.finish()
    relay.stop()

    assert service.ledger.faults(written, service.topic.records()) == []
