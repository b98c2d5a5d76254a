"""What `relay run --listen` serves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from outbox import Outbox
from outbox.metrics.families import FAMILIES as OF_OUTBOXES
from relay.monitoring.metrics import FAMILIES as OF_RELAYS
from tests.actors.listening import Listening
from tests.actors.relay_command import RelayCommand
from tests.servers.kafka import KafkaBroker, create_topic
from tests.waiting import wait_until


@pytest.fixture
def listening(relay: RelayCommand, orders: Outbox) -> Listening:
    relay.start("run", "--listen", "127.0.0.1:0")
    return Listening(relay)


def test_all_series_are_there_as_0_before_anything_was_put(listening: Listening) -> None:
    wait_until(lambda: listening.get("/readyz").code == 200, 30, "the relay to be ready")

    samples = listening.samples()

    for family in (*OF_OUTBOXES, *OF_RELAYS):
        name = f"{family.name}_count" if family.kind == "histogram" else family.name
        assert samples[name], name
        if family.kind != "gauge" and "takeovers" not in name:
            assert set(samples[name].values()) == {0}, name
    assert listening.value("outbox_lease_held", role="relay:kafka") == 1


def test_status_is_what_relay_status_prints_as_json(listening: Listening, relay: RelayCommand, orders: Outbox) -> None:
    wait_until(lambda: listening.get("/readyz").code == 200, 30, "the relay to be ready")

    shown = json.loads(listening.get("/status").text)

    assert list(shown) == list(json.loads(relay("status", "--json").stdout))
    assert shown["name"] == "kafka"


def test_a_standby_is_ready_and_holds_nothing(listening: Listening, relay: RelayCommand) -> None:
    wait_until(lambda: listening.get("/readyz").code == 200, 30, "the relay to be ready")
    relay.start("run", "--listen", "127.0.0.1:0")
    standby = Listening(relay, started=2)

    wait_until(lambda: standby.get("/readyz").code == 200, 30, "the standby to be ready")

    assert standby.get("/healthz").code == 200
    assert standby.value("outbox_lease_held", role="relay:kafka") == 0


def test_with_kafka_away_it_is_alive_and_not_ready(
    mongo_uri: str, broker: KafkaBroker, orders: Outbox, topic_name: str, tmp_path: Path
) -> None:
    create_topic(broker.bootstrap, topic_name)
    settings = {"mongo": mongo_uri, "database": orders.collections.database.name, "topic": topic_name}
    with RelayCommand(tmp_path, kafka=broker.bootstrap, listen="127.0.0.1:0", **settings) as relay:
        relay.start("run")
        listening = Listening(relay)
        wait_until(lambda: listening.get("/readyz").code == 200, 30, "the relay to be ready")
        broker.kill()

        wait_until(lambda: listening.get("/readyz").code == 503, 10, "the relay not to be ready")

        assert "Kafka at" in listening.get("/readyz").text
        assert listening.get("/healthz").code == 200
        wait_until(
            lambda: sum(listening.samples()["relay_broker_errors_total"].values()) > 0, 10, "the broker's errors"
        )


def test_the_page_is_served_with_its_token_which_is_in_no_answer_and_no_log(
    relay: RelayCommand, orders: Outbox
) -> None:
    relay.start("run", "--listen", "127.0.0.1:0", "--page-token", "0123456789abcdef")
    listening = Listening(relay)

    page = listening.get("/")

    assert (page.code, 'name="can-act" content="yes"' in page.text) == (200, True)
    assert "0123456789abcdef" not in page.text + relay.log


def test_a_port_that_is_taken_is_an_error_at_the_start(listening: Listening, relay: RelayCommand) -> None:
    port = listening._url.rpartition(":")[2]

    ended = relay("run", "--listen", f"127.0.0.1:{port}")

    assert ended.returncode == 2
    assert f"--listen 127.0.0.1:{port}: Address already in use" in ended.stderr
