"""The weight of a part of the log: to the byte where that is cheap, and near it with a bounded number of reads."""

from __future__ import annotations

from itertools import cycle, islice

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.log.weight import LogWeight, Weight, start_of
from outbox.mongo.collections import Collections
from tests.actors.command_listener import watched
from tests.actors.order_service import Document
from tests.actors.small_log import append, empty, small_outbox

SHAPES = [(1, 0), (3, 50), (1, 900), (2, 7)]
"""So many records of so many bytes."""


@pytest.fixture
def outbox(database: Database[Document]) -> Outbox:
    """An outbox whose log holds 1 MiB."""
    outbox = small_outbox(database)
    empty(outbox, 1 << 20)
    return outbox


@pytest.fixture
def weight(outbox: Outbox) -> LogWeight:
    return LogWeight(outbox.collections)


def fill(outbox: Outbox, batches: int, shapes: list[tuple[int, int]] = SHAPES) -> None:
    append(outbox, islice(cycle(shapes), batches))


def sizes(outbox: Outbox) -> dict[int, int]:
    """The bytes of each batch, by its first seq; the genesis document is none."""
    return {each.first: len(each.raw) for each in outbox.log.batches_from(1, 10_000)}


def genesis(outbox: Outbox) -> int:
    [found] = outbox.collections.log.aggregate([{"$match": {"_id": 0}}, {"$project": {"n": {"$bsonSize": "$$ROOT"}}}])
    return int(found["n"])


def test_the_whole_is_every_document_of_the_log(outbox: Outbox, weight: LogWeight) -> None:
    fill(outbox, 30)

    assert weight.whole() == (sum(sizes(outbox).values()) + genesis(outbox), 31)


# ---- exact


def test_a_part_up_to_the_newest_is_weighed_to_the_byte(outbox: Outbox, weight: LogWeight) -> None:
    fill(outbox, 30)

    for start in sizes(outbox):
        part = [size for first, size in sizes(outbox).items() if first >= start]
        assert weight.exact(start, None, 1000) == Weight(sum(part), len(part), outbox.log.head())


def test_the_end_of_a_part_does_not_belong_to_it(outbox: Outbox, weight: LogWeight) -> None:
    fill(outbox, 10)
    firsts = list(sizes(outbox))

    found = weight.exact(firsts[2], firsts[5], 1000)
    assert found == Weight(sum(sizes(outbox)[first] for first in firsts[2:5]), 3, firsts[5] - 1)


def test_of_a_part_with_more_batches_the_first_ones_are_weighed(outbox: Outbox, weight: LogWeight) -> None:
    fill(outbox, 10)
    firsts = list(sizes(outbox))

    found = weight.exact(1, None, 4)
    assert found == Weight(sum(sizes(outbox)[first] for first in firsts[:4]), 4, firsts[4] - 1)


def test_a_part_without_batches_weighs_nothing(outbox: Outbox, weight: LogWeight) -> None:
    fill(outbox, 3)

    assert weight.exact(outbox.log.head() + 1, None, 10) == Weight(0, 0, 0)


def test_the_part_of_the_first_record_has_the_genesis_document_too(outbox: Outbox, weight: LogWeight) -> None:
    fill(outbox, 3)

    assert weight.exact(start_of(1), None, 10).bytes == sum(sizes(outbox).values()) + genesis(outbox)
    assert start_of(2) == 2


# ---- at least


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_it_weighs_on_until_it_is_enough(outbox: Outbox, weight: LogWeight, limit: int) -> None:
    fill(outbox, 40)
    wanted = sum(sizes(outbox).values()) // 2

    found = weight.at_least(1, None, wanted, limit)
    assert wanted <= found.bytes < 2 * wanted
    assert found == weight.exact(1, None, found.batches)


def test_what_is_enough_at_once_is_weighed_no_further(outbox: Outbox, weight: LogWeight) -> None:
    fill(outbox, 40)

    assert weight.at_least(1, None, 1, 5) == weight.exact(1, None, 5)


@pytest.mark.parametrize("limit", [1, 20, 40, 41])
def test_a_part_that_has_not_enough_is_weighed_whole(outbox: Outbox, weight: LogWeight, limit: int) -> None:
    fill(outbox, 40)

    assert weight.at_least(1, None, 1 << 30, limit) == weight.exact(1, None, 1000)


# ---- estimated


@pytest.mark.parametrize("batches", [0, 1, 63, 64])
def test_up_to_64_batches_are_weighed_to_the_byte(outbox: Outbox, weight: LogWeight, batches: int) -> None:
    fill(outbox, batches)

    assert weight.estimated(1, outbox.log.head() + 1) == sum(sizes(outbox).values())


def test_more_batches_of_one_shape_are_estimated_without_an_error(outbox: Outbox, weight: LogWeight) -> None:
    fill(outbox, 300, [(4, 100)])
    firsts = list(sizes(outbox))

    for start, end in ((1, outbox.log.head() + 1), (firsts[10], firsts[200]), (firsts[200], firsts[265])):
        truth = sum(size for first, size in sizes(outbox).items() if start <= first < end)
        assert weight.estimated(start, end) == pytest.approx(truth, abs=1)


def test_more_batches_of_any_shape_are_estimated_between_the_lightest_and_the_heaviest_record(
    outbox: Outbox, weight: LogWeight
) -> None:
    fill(outbox, 300)
    shares = [len(each.raw) / (each.last - each.first + 1) for each in outbox.log.batches_from(1, 1000)]
    head = outbox.log.head()

    assert min(shares) * head - 1 <= weight.estimated(1, head + 1) <= max(shares) * head


@pytest.mark.parametrize("batches", [65, 300])
def test_an_estimate_costs_two_commands_and_64_batches_however_many_there_are(
    mongo_uri: str, outbox: Outbox, batches: int
) -> None:
    fill(outbox, batches, [(1, 0)])
    with watched(mongo_uri, outbox.collections.database) as (database, commands):
        LogWeight(Collections(database, "outbox")).estimated(1, outbox.log.head() + 1)
        asked, (_, sampled) = commands.names(), commands.of("aggregate")
        command = {name: sampled[name] for name in ("aggregate", "pipeline")}
        explained = database.command("explain", {**command, "cursor": {}}, verbosity="executionStats")

    [joined] = [stage for stage in explained["stages"] if "$lookup" in stage]
    assert asked == ["aggregate", "aggregate"]
    assert joined["totalDocsExamined"] == 64


def test_what_was_rolled_over_meanwhile_counts_nothing(outbox: Outbox, weight: LogWeight) -> None:
    empty(outbox, 256 * 256)
    fill(outbox, 600, [(1, 0)])
    oldest, head = outbox.log.earliest(), outbox.log.head()
    assert 100 < oldest < head - 100

    share = max(sizes(outbox).values())
    assert weight.estimated(1, head + 1) == pytest.approx(weight.whole()[0], abs=share * head / 64 + share)
