"""A sink in transactions whose brokers do not answer."""

from __future__ import annotations

import pytest

from outbox.errors import DeliveryFailed, Verdict
from relay.kafka import transactional_sink
from relay.kafka.transactional_sink import KafkaTransactions

NOWHERE = "127.0.0.1:1"


def test_a_take_over_that_nobody_answers_says_what_cannot_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactional_sink, "_TAKE_OVER_SECONDS", 0.2)
    sink = KafkaTransactions(NOWHERE)

    with pytest.raises(
        DeliveryFailed, match="the transactions of 'kafka' cannot be taken over yet: .*_TIMED_OUT"
    ) as failed:
        sink.take_over("kafka", lambda _: "")

    assert failed.value.verdict is Verdict.RETRY
