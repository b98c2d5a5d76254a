"""The error table."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from relay.errors import Verdict
from relay.kafka.errors import VERDICTS, explanation, verdict


@pytest.mark.parametrize("name", VERDICTS)
def test_every_name_in_the_table_is_one_of_librdkafkas(name: str) -> None:
    assert KafkaError(getattr(KafkaError, name)).name() == name


@pytest.mark.parametrize("name", VERDICTS)
def test_every_entry_says_why(name: str) -> None:
    assert len(VERDICTS[name][1]) > 10


def test_what_is_not_listed_is_retried() -> None:
    assert verdict("SOME_FUTURE_ERROR") is Verdict.RETRY
    assert explanation("SOME_FUTURE_ERROR", "Broker: odd") == "Broker: odd (SOME_FUTURE_ERROR)"


def test_a_timed_out_message_is_retried_though_librdkafka_calls_it_not_retriable() -> None:
    assert not KafkaError(KafkaError._MSG_TIMED_OUT).retriable()
    assert verdict("_MSG_TIMED_OUT") is Verdict.RETRY
