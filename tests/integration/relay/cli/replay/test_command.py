"""The command `relay replay` as its own process, on a real broker."""

from __future__ import annotations

from typing import Any

from bson.raw_bson import RawBSONDocument
from confluent_kafka import Message

from outbox import Outbox
from outbox.mongo.codec import RAW
from tests.actors.consumer import header, headers, read_topic
from tests.actors.relay_command import RelayCommand
from tests.actors.relay_thread import numbered
from tests.waiting import wait_until

RANGE = ("--from", "5", "--to", "latest")


def cursor(orders: Outbox) -> bytes:
    found: Any = orders.collections.cursors.with_options(codec_options=RAW).find_one({"_id": "relay:kafka"})
    assert isinstance(found, RawBSONDocument)
    return found.raw


def reached(orders: Outbox) -> int:
    lease = orders.collections.leases.find_one({"_id": "replay:kafka"}) or {}
    return int(lease.get("replay", {}).get("seq", 0))


def replayed(messages: list[Message]) -> list[int]:
    return [int(header(each, "seq")) for each in messages if ("replayed", b"true") in headers(each)]


def test_killed_in_the_middle_it_goes_on_and_the_live_cursor_is_as_it_was(
    relay: RelayCommand, orders: Outbox, kafka: str, topic: str
) -> None:
    numbered(orders, 100)
    assert relay("run", "--once").returncode == 0
    before = cursor(orders)

    process = relay.start("replay", *RANGE, "--rate", "20")
    wait_until(lambda: reached(orders) > 8, 60, "it to send some")
    process.kill()
    process.wait()
    middle = reached(orders)
    done = relay("replay", *RANGE)

    assert (done.returncode, middle < 60) == (0, True), done.stderr
    assert f"goes on after seq {middle}, of 5 to 100" in done.stderr
    assert done.stdout == f"{orders.collections.log.full_name}: {100 - middle} record(s) sent again, of seq 5 to 100\n"
    seqs = replayed(read_topic(kafka, topic, lambda found: {*replayed(found)} >= {*range(5, 101)}))
    assert sorted(set(seqs)) == list(range(5, 101))
    assert len(seqs) - 96 <= 10  # what the killed one had sent and not saved
    assert cursor(orders) == before


def test_a_dry_run_counts_without_a_kafka(relay: RelayCommand, orders: Outbox) -> None:
    numbered(orders, 3)

    dry = relay.without("kafka")("replay", "--from", "2", "--to", "latest", "--dry-run", "--topic", "{type}.again")

    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.split() == [
        "type", "topic", "records", "order.placed", "order.placed.again", "2",
        *f"{orders.collections.log.full_name}: would send 2 record(s) of seq 2 to 3".split(),
    ]  # fmt: skip


def test_of_a_range_with_nothing_in_it_no_seqs_are_named(relay: RelayCommand, orders: Outbox) -> None:
    numbered(orders, 3)
    nothing = ("--from", "2100-01-01", "--to", "latest")

    assert relay("replay", *nothing, "--dry-run").stdout.endswith(": would send 0 record(s) of an empty range\n")
    assert relay("replay", *nothing).stdout.endswith(": 0 record(s) sent again, of an empty range\n")
