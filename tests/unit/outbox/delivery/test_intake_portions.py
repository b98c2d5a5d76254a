"""A batch that is given in portions: what happens when its rest has to be decoded after all."""

from __future__ import annotations

from outbox import LogCorrupt
from outbox.consumers.decoding import Delivery, RecordDecoder
from outbox.delivery.intake import Intake, Portion
from outbox.log.batch import Batch
from outbox.testing import FakeClock
from relay.errors import DeliveryFailed, PoisonMessage, Verdict
from tests.unit.outbox.delivery.test_intake import Log, Parked, five


def intake(parked: Parked, *batches: Batch) -> Intake[Delivery]:
    decoder = RecordDecoder(lambda type, data, headers: data, None, portion=2)
    return Intake(Log(*batches), decoder, parked, FakeClock())


def seqs(portion: Portion[Delivery] | None) -> list[int]:
    assert portion is not None
    return [seq for seq, _ in portion.outgoing]


def test_a_batch_comes_in_portions_and_then_the_next() -> None:
    every = intake(Parked(), five(1), five(6))

    assert list(map(seqs, iter(every.take, None))) == [[1, 2], [3, 4], [5], [6, 7], [8, 9], [10]]


def test_a_key_that_is_parked_meanwhile_is_parked_in_the_rest_of_the_batch() -> None:
    parked = Parked()
    every = intake(parked, five(1), five(6))
    assert seqs(every.take()) == [1, 2]

    parked.keys = {"k3"}

    assert list(map(seqs, iter(every.take, None))) == [[3, 5], [6, 7, 8, 10]]
    assert parked.asked == [3, 4, 5, 6, 7, 8, 9, 10]


def test_what_cannot_be_decoded_halts_it_behind_the_portions_before() -> None:
    batch = five(1)
    third = batch.raw.index(b"\x07id\x00", batch.raw.index(b"k1"))
    every = intake(Parked(), batch._replace(raw=batch.raw[:third] + b"\x07xd\x00" + batch.raw[third + 4 :]))

    assert seqs(every.take()) == [1, 2]
    assert every.take() is None
    assert isinstance(every.halt, LogCorrupt)


def test_after_a_failure_the_batch_is_read_again_and_halts_at_what_was_refused() -> None:
    every = intake(Parked(), five(1), five(6))
    assert seqs(every.take()) == [1, 2]

    every.refuse(DeliveryFailed(3, Verdict.POISON, "refused"))
    every.restart(1)

    assert seqs(every.take()) == [1, 2]
    assert seqs(every.take()) == []
    assert isinstance(every.halt, PoisonMessage)
    assert every.skip().seq == 3
    assert seqs(every.take()) == [4, 5]
