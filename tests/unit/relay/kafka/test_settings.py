"""Kafka settings that cannot be weakened."""

from __future__ import annotations

import pytest

from relay.errors import InvalidSettings
from relay.kafka.settings import LOCKED
from relay.kafka.sink import KafkaSink


@pytest.mark.parametrize("key", [*LOCKED, "request.required.acks", "delivery.timeout.ms"])
def test_a_locked_setting_is_refused_by_name(key: str) -> None:
    with pytest.raises(InvalidSettings, match=f"{key!r} is locked"):
        KafkaSink("localhost:1", {key: "1"})


@pytest.mark.parametrize("key", ["bootstrap.servers", "metadata.broker.list", "transactional.id"])
def test_a_setting_that_belongs_elsewhere_is_refused(key: str) -> None:
    with pytest.raises(InvalidSettings, match=key):
        KafkaSink("localhost:1", {key: "x"})


def test_a_setting_that_librdkafka_does_not_have_is_named_and_its_value_is_not_shown() -> None:
    sink = KafkaSink("localhost:1", {"sasl.pasword": "hunter2"})

    with pytest.raises(InvalidSettings, match=r"sasl\.pasword") as refused:
        sink.open(lambda _: None)

    assert "hunter2" not in str(refused.value)


def test_a_value_that_librdkafka_does_not_take_is_refused() -> None:
    sink = KafkaSink("localhost:1", {"security.protocol": "telepathy"})

    with pytest.raises(InvalidSettings, match=r"security\.protocol"):
        sink.open(lambda _: None)


def test_a_setting_that_contradicts_a_locked_one_is_refused() -> None:
    sink = KafkaSink("localhost:1", {"max.in.flight": "100"})

    with pytest.raises(InvalidSettings, match=r"max\.in\.flight"):
        sink.open(lambda _: None)
