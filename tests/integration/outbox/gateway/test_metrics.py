"""What Prometheus reads of a gateway."""

from __future__ import annotations

import re

from tests.actors.gateway import Served


def numbers(served: Served) -> dict[str, float]:
    text = served.client.get("/metrics").text
    return {name: float(value) for name, value in re.findall(r"^(gateway_\S+) (\S+)$", text, re.MULTILINE)}


def test_calls_and_refusals_are_counted_by_kind_and_status(served: Served, name: str) -> None:
    before = numbers(served)
    served.register(name)
    served.client.get("/v1/consumers/nobody")
    served.client.post("/v1/messages", json={"type": "stock.counted", "data": {"count": 1}})
    after = numbers(served)

    def more(number: str) -> float:
        return after[number] - before.get(number, 0)

    assert more('gateway_calls_total{kind="reliable"}') == 2
    assert more('gateway_calls_total{kind="post"}') == 1
    assert more('gateway_failures_total{status="404"}') == 1
    assert after["gateway_connections"] == 1


def test_what_waits_for_a_client_is_counted_and_the_outbox_is_there_too(served: Served, name: str) -> None:
    served.register(name)
    served.put(1)
    with served.polling(name, wait=1, types="order.cancelled"):
        served.put(2)
        assert numbers(served)["gateway_consumers_connected"] >= 1
        text = served.client.get("/metrics").text
    assert "outbox_log_head_seq" in text
    assert numbers(served)["gateway_queue_bytes"] == 0
