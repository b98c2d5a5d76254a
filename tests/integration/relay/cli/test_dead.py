"""The commands `relay dead …` and `relay cursor forget`, and poison on a real broker: the relay as its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from outbox import Outbox
from tests.actors.consumer import create_small_topic, header, read_topic
from tests.actors.order_service import foreign
from tests.actors.price_service import new_prices, states

RELAY = [sys.executable, "-c", "from relay.cli import main; main()"]
LIMIT = 20_000
NOW = datetime(2025, 1, 2, tzinfo=UTC)
Document = dict[str, Any]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def prices(database: Database[Document]) -> Iterator[Outbox]:
    with new_prices(database, sequence=False) as outbox:
        yield outbox


@pytest.fixture
def relay(mongo_uri: str, database: Database[Document]) -> Command:
    """Runs `relay` on the outbox of the test; needs Kafka only when the test asks for it."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    environment = {**others, "RELAY_MONGO": mongo_uri, "RELAY_DATABASE": database.name}

    def run(*arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*RELAY, *arguments], env=environment, input=answer, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def stage(prices: Outbox, key: str, **data: Any) -> ObjectId:
    document = foreign(type="price.set", key=key, data={"sku": key, **data})
    prices.collections.staging.insert_one(document)
    return ObjectId(document["_id"])


def dead_letter(prices: Outbox, key: str, seq: int, state: str = "dead") -> str:
    id = ObjectId()
    prices.collections.dead.insert_one(
        {
            **foreign(type="price.set", key=key, data={"sku": key, "price": 2.5}), "_id": id, "reader": "relay:kafka",
            "seq": seq, "state": state, "error": {"code": "refused", "reason": "too large"}, "attempts": 1,
            "first": NOW, "last": NOW,
        }
    )  # fmt: skip
    return str(id)


def test_what_is_too_large_or_cannot_be_encoded_is_set_aside_sent_again_and_given_up(
    relay: Command, prices: Outbox, kafka: str, topic_name: str
) -> None:
    create_small_topic(kafka, topic_name, LIMIT)
    ids = [
        stage(prices, "a", price=1.0),
        stage(prices, "a", sku="x" * (LIMIT + 5000)),
        stage(prices, "b", price=float("nan")),
        *(stage(prices, key, price=2.0) for key in "abc"),
    ]
    run = ("run", "--once", "--kafka", kafka, "--topic", topic_name, "--on-poison", "park-key")

    done = relay(*run)

    assert done.returncode == 0, done.stderr
    assert states(prices) == {2: "dead", 3: "dead", 4: "parked", 5: "parked"}
    found = read_topic(kafka, topic_name, lambda messages: len(messages) >= 2)
    assert [header(each, "id") for each in found] == [str(ids[0]), str(ids[5])]
    errors = {each["seq"]: each["error"] for each in prices.collections.dead.find({"state": "dead"})}
    assert (errors[2]["code"], errors[3]["code"]) == ("refused", "unencodable")

    assert relay("dead", "discard", str(ids[1]), "--yes", "--reason", "a test's").returncode == 0
    assert relay("dead", "requeue", "--key", "b").returncode == 0
    done = relay(*run)

    assert done.returncode == 0, done.stderr
    assert states(prices) == {3: "dead", 5: "parked"}
    found = read_topic(kafka, topic_name, lambda messages: len(messages) >= 3)
    assert [header(each, "id") for each in found] == [str(ids[0]), str(ids[5]), str(ids[3])]


def test_after_a_message_that_is_too_large_records_go_out_in_batches_again(
    relay: Command, prices: Outbox, kafka: str, topic_name: str
) -> None:
    create_small_topic(kafka, topic_name, LIMIT)
    for number in range(60):
        stage(prices, str(number), sku="x" * (LIMIT + 5000 if number in {10, 30, 31} else 10))

    done = relay("run", "--once", "--kafka", kafka, "--topic", topic_name, "--on-poison", "dead-letter")

    assert done.returncode == 0, done.stderr
    assert set(states(prices)) == {11, 31, 32}
    found = read_topic(kafka, topic_name, lambda messages: len(messages) >= 57)
    seqs = list(dict.fromkeys(int(header(each, "seq")) for each in found))
    assert seqs == [seq for seq in range(1, 61) if seq not in {11, 31, 32}]
    assert done.stderr.count("one by one") > 1  # it had gone back to batches in between


def test_list_as_json_is_a_line_a_letter_in_order_and_without_data(relay: Command, prices: Outbox) -> None:
    later, first = dead_letter(prices, "b", 9), dead_letter(prices, "a", 7)

    lines = [json.loads(line) for line in relay("dead", "list", "--json").stdout.splitlines()]

    assert [each["id"] for each in lines] == [first, later]
    assert "data" not in lines[0]
    assert (lines[0]["seq"], lines[0]["created"], lines[0]["error"]["reason"]) == (
        7, "2023-11-14T22:13:20.000Z", "too large",
    )  # fmt: skip


def test_list_can_be_narrowed_and_is_a_table_for_people(relay: Command, prices: Outbox) -> None:
    id = dead_letter(prices, "ab[red]", 7)
    dead_letter(prices, "zz", 8)

    shown = relay("dead", "list", "--key", "ab[red]").stdout

    assert id in shown
    assert "ab[red]" in shown
    assert "zz" not in shown


def test_show_prints_the_whole_letter(relay: Command, prices: Outbox) -> None:
    id = dead_letter(prices, "a", 7)

    letter = json.loads(relay("dead", "show", id).stdout)

    assert (letter["id"], letter["data"]) == (id, {"sku": "a", "price": 2.5})


def test_show_of_no_letter_is_1_and_of_no_id_2(relay: Command, prices: Outbox) -> None:
    assert relay("dead", "show", "0" * 24).returncode == 1
    assert relay("dead", "show", "7").returncode == 2


def test_requeue_marks_the_whole_parked_key(relay: Command, prices: Outbox) -> None:
    dead_letter(prices, "a", 7)
    second = dead_letter(prices, "a", 8, "parked")
    dead_letter(prices, "b", 9)

    done = relay("dead", "requeue", second)

    assert "2 message(s)" in done.stdout
    marked = prices.collections.dead.find({"requeued": {"$exists": True}})
    assert {each["seq"] for each in marked} == {7, 8}


@pytest.mark.parametrize("command", ["requeue", "discard"])
@pytest.mark.parametrize("which", [[], ["--all", "--key", "a"]])
def test_which_letters_must_be_said_once(relay: Command, prices: Outbox, command: str, which: list[str]) -> None:
    done = relay("dead", command, "--reason", "a test's", *which)

    assert done.returncode == 2
    assert "--all" in done.stderr


def test_discard_asks_before(relay: Command, prices: Outbox) -> None:
    dead_letter(prices, "a", 7)

    no, yes = (relay("dead", "discard", "--all", "--reason", "a test's", answer=answer) for answer in ("n\n", "y\n"))

    assert (no.returncode, yes.returncode) == (1, 0)
    assert "1 message(s) discarded" in yes.stdout
    assert states(prices) == {}


def test_discard_without_an_answer_keeps_them(relay: Command, prices: Outbox) -> None:
    dead_letter(prices, "a", 7)

    assert relay("dead", "discard", "--all", "--reason", "a test's").returncode == 1
    assert states(prices) == {7: "dead"}


def test_requeue_of_what_the_log_cannot_hold_is_refused_with_the_reason(relay: Command, prices: Outbox) -> None:
    id = dead_letter(prices, "a", 7)
    prices.collections.dead.update_one(
        {"seq": 7}, {"$set": {"reader": "sequencer", "seq": None, "error": {"code": 15, "reason": "nested too deep"}}}
    )

    done = relay("dead", "requeue", id)

    assert done.returncode == 1
    assert "nested too deep" in done.stderr
    assert set(states(prices, "sequencer").values()) == {"dead"}
