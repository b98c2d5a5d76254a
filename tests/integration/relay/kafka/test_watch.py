"""A real broker that is away or acknowledges nothing is told of, and its return; a renewed certificate is read."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation

from relay.errors import DeliveryFailed, Verdict
from relay.kafka.sink import KafkaSink
from tests.servers.certificates import Certificates
from tests.servers.kafka import KafkaBroker, create_topic
from tests.servers.produce_fault import ProduceFault
from tests.servers.proxy import Proxy
from tests.servers.secured_kafka import SecuredKafka
from tests.waiting import wait_until

NOT_ENOUGH_REPLICAS = 19


def lines(caplog: pytest.LogCaptureFixture, name: str) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == name]


def said(sink: KafkaSink, caplog: pytest.LogCaptureFixture, count: int) -> list[str]:
    """What the relay has said of its Kafka, as soon as it is so many lines."""

    def enough() -> bool:
        sink.poll(0.1)
        return len(lines(caplog, "relay.kafka")) >= count

    wait_until(enough, 60, f"{count} line(s)")
    return lines(caplog, "relay.kafka")


def send(sink: KafkaSink, topic: str, seq: int) -> None:
    assert sink.send([(seq, topic, "k", b"v", [])]) == 1


class NotEnoughReplicas(ProduceFault):
    """Every request of a producer, while `lasts`."""

    lasts = True

    def take(self) -> int:
        return NOT_ENOUGH_REPLICAS if self.lasts else 0


def test_a_broker_that_acknowledges_nothing_is_told_of_and_so_is_its_recovery(
    topic_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    acknowledged: list[int] = []
    fault = NotEnoughReplicas()
    broker = KafkaBroker()
    with closing(broker), Proxy(broker.far_port, traffic=fault.traffic) as proxy:
        broker.far_address = proxy.address
        broker.start()
        create_topic(broker.bootstrap, topic_name, partitions=1)
        sink = KafkaSink(proxy.address)
        sink.open(acknowledged.append)
        send(sink, topic_name, 1)

        [silent] = said(sink, caplog, 1)

        assert "since" in silent
        assert "acknowledged nothing" in silent
        assert "min.insync.replicas" in silent
        assert fault.refused
        fault.lasts = False
        assert "acknowledges again" in said(sink, caplog, 2)[1]
        assert acknowledged == [1]
        sink.close()


@pytest.mark.parametrize("is_sending", [True, False])
def test_a_broker_that_is_away_is_told_of_once_and_its_return_once(
    broker: KafkaBroker, topic_name: str, caplog: pytest.LogCaptureFixture, is_sending: bool
) -> None:
    create_topic(broker.bootstrap, topic_name, partitions=1)
    acknowledged: list[int] = []
    sink = KafkaSink(broker.bootstrap)
    sink.open(acknowledged.append)
    send(sink, topic_name, 1)
    wait_until(lambda: sink.poll(0.05) or acknowledged == [1], 30, "the first record")
    broker.kill()
    if is_sending:
        send(sink, topic_name, 2)

    [away] = said(sink, caplog, 1)

    assert "since" in away
    assert "refused" in away
    broker.start()
    assert len(said(sink, caplog, 2)) == 2
    assert "again" in lines(caplog, "relay.kafka")[1]
    assert len(acknowledged) == 1 + is_sending
    own = lines(caplog, "relay.librdkafka")
    assert len([line for line in own if "refused" in line]) <= 1
    sink.close()


def test_a_certificate_that_was_renewed_is_read_when_the_broker_refuses_the_old_one(
    tmp_path: Path, topic_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """All files change, the authority's too, and the broker takes the new ones only."""
    for folder in ("new", "used"):
        (tmp_path / folder).mkdir()
    Certificates(tmp_path / "new")
    certificates = Certificates(tmp_path / "used")
    with SecuredKafka(certificates) as broker:
        broker.allow("CN=relay,O=Outbox clients", topic_name, AclOperation.WRITE, AclOperation.DESCRIBE)
        create_topic(broker.bootstrap, topic_name, partitions=1)
        acknowledged: list[int] = []
        sink = KafkaSink(broker.for_certificate, broker.certificate_settings)
        sink.open(acknowledged.append)
        send(sink, topic_name, 1)
        wait_until(lambda: sink.poll(0.05) or acknowledged == [1], 30, "the first record")
        broker.stop()
        for file in (tmp_path / "new").iterdir():
            shutil.copy(file, tmp_path / "used" / file.name)
        broker.start()
        send(sink, topic_name, 2)

        def failure() -> DeliveryFailed | None:
            try:
                sink.poll(0.1)
            except DeliveryFailed as failed:
                return failed
            return None

        failed = wait_until(failure, 60, "the sink to ask for another client")
        sink.close()
        sink.open(acknowledged.append)  # as the relay does after a failure
        send(sink, topic_name, 2)
        wait_until(lambda: sink.poll(0.05) or acknowledged == [1, 2], 30, "the second record")
        sink.close()

    assert (failed.seq, failed.verdict) == (None, Verdict.RETRY)
    assert "connecting anew" in failed.reason
