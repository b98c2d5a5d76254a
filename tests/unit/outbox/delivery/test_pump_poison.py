"""The pump meets records that can never be delivered, or that are parked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from relay.encoding.encoder import Encoder
from relay.errors import PoisonMessage, Verdict
from relay.testing import MemorySink
from tests.doubles.batches import LOG
from tests.doubles.pump import Scene


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.pump.close()


def test_a_record_refused_for_good_stops_it_with_everything_before_it_delivered_and_saved(scene: Scene) -> None:
    scene.sink.refused = {601: Verdict.POISON}

    with pytest.raises(PoisonMessage, match="seq 601"):
        scene.run()

    assert scene.arrived() == list(range(1, 601))
    assert scene.saved[-1] == 600


def test_a_message_that_cannot_be_encoded_stops_it_the_same_way(scene: Scene) -> None:
    scene.log.data[600]["n"] = float("inf")

    with pytest.raises(PoisonMessage, match=r"seq 601 .* data\.n is inf"):
        scene.run()

    assert scene.arrived() == list(range(1, 601))
    assert scene.saved[-1] == 600


def test_what_is_poison_can_be_skipped_and_the_rest_goes_on(scene: Scene) -> None:
    scene.sink.refused = {601: Verdict.POISON}
    scene.log.data[700]["n"] = float("nan")
    skipped = []
    for _ in range(2):
        with pytest.raises(PoisonMessage) as poison:
            scene.run()
        skipped.append(poison.value.seq)
        scene.pump.skip()
    scene.run()

    assert skipped == [601, 701]
    assert scene.arrived() == [seq for seq in range(1, 1201) if seq not in skipped]
    assert scene.saved[-1] == 1200


def test_what_is_parked_counts_as_delivered_and_is_not_sent(scene: Scene) -> None:
    scene.parked = {1, 2, 300, 500, 501, 1199, 1200}

    scene.run()

    assert scene.arrived() == [seq for seq in range(1, 1201) if seq not in scene.parked]
    assert scene.saved[-1] == 1200


def test_the_cursor_passes_a_parked_record_only_after_all_before_it(scene: Scene) -> None:
    scene.parked = set(range(101, 1201))
    scene.sink.away = True
    for _ in range(10):
        scene.pump.step()
    away = scene.pump.position[0], list(scene.saved)
    scene.sink.away = False
    scene.run()

    assert away == (0, [])
    assert scene.saved[-1] == 1200


def test_poison_between_parked_records_is_found_and_skipped(scene: Scene) -> None:
    scene.parked = {599, 600, 602, 603, 701}
    scene.sink.refused = {601: Verdict.POISON}
    scene.log.data[699]["n"] = float("nan")
    skipped = []
    for _ in range(2):
        with pytest.raises(PoisonMessage) as poison:
            scene.run()
        skipped.append((poison.value.seq, scene.saved[-1]))
        scene.pump.skip()
    scene.run()

    assert skipped == [(601, 600), (700, 699)]
    assert scene.arrived() == [seq for seq in range(1, 1201) if seq not in {*scene.parked, 601, 700}]
    assert scene.saved[-1] == 1200


def test_a_full_sink_takes_the_rest_also_between_parked_records(scene: Scene) -> None:
    scene.sink = MemorySink(capacity=90)
    scene.parked = set(range(1, 1201, 3))
    scene.pump_anew(Encoder(str, LOG))

    scene.run()

    assert scene.arrived() == [seq for seq in range(1, 1201) if seq not in scene.parked]
    assert scene.saved[-1] == 1200
