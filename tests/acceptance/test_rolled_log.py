"""A relay that is to start from the beginning of a log that has lost it."""

from __future__ import annotations

from tests.acceptance.conftest import Start
from tests.acceptance.ledger import Ledger
from tests.acceptance.topic import Topic


def test_a_relay_from_the_beginning_of_a_rolled_log_exits_4_and_says_why(
    ledger: Ledger, mongo_uri: str, kafka: str, ledger_topic: Topic, start: Start
) -> None:
    """Watches over `beginning` meaning seq 1, and not the oldest record that is left."""
    ledger.create(max_message_bytes=100_000, capacity="5 MiB")
    ledger.fill("padding " * 100, 10_000)
    oldest = ledger.oldest()
    assert oldest > 1
    place = ("--mongo", mongo_uri, "--database", ledger.database.name, "--kafka", kafka, "--topic", ledger_topic.name)

    relay = start("relay_with", "--lease", 10, "run", *place)

    assert relay.wait(30) == 4, relay.said()
    assert f"the log no longer holds seq 1; the oldest it holds is {oldest}" in relay.said()
    assert "--start oldest" in relay.said()
    assert ledger_topic.end() == 0
    oldest_on = start("relay_with", "--lease", 10, "run", *place, "--name", "other", "--start", "oldest", "--once")
    oldest_on.succeed(60)
    assert ledger_topic.end() == ledger.head() - oldest + 1
