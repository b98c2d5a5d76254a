"""The log lines of `relay run` as JSON."""

from __future__ import annotations

import json

from outbox import Outbox
from tests.actors.order_service import placed
from tests.actors.relay_command import RelayCommand


def test_each_line_is_an_object_and_says_whose_it_is(relay: RelayCommand, orders: Outbox) -> None:
    orders.put(placed(1), standalone=True)

    said = relay("run", "--once", "--log-format", "json").stderr

    lines = [json.loads(line) for line in said.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    outbox, of_relay = orders.collections.log.full_name, [line for line in lines if "reader" in line]
    assert {(line["outbox"], line["reader"]) for line in of_relay} == {(outbox, "relay:kafka")}
    assert any(line["message"].endswith("stopped after seq 1") for line in of_relay)
