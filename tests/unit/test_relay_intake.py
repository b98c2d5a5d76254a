"""What goes out next: whole batches undecoded where nothing has to be decided, and the same records where it has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest

from outbox import LogCorrupt
from outbox.batch import Batch
from outbox.record import Record
from relay import encoding
from relay.encoding import Encoder
from relay.errors import DeliveryFailed, PoisonMessage, Unreachable, Verdict
from relay.intake import Intake
from tests.batches import batch_of, record


class Clock:
    def monotonic(self) -> float:
        return 0.0


class Log:
    """Batches of records, `at_once` a read."""

    def __init__(self, *batches: Batch) -> None:
        self.batches = list(batches)
        self.next = 0
        self.at_once = 1

    def read_batches(self) -> list[Batch]:
        found = self.batches[self.next : self.next + self.at_once]
        self.next += len(found)
        return found

    def wait(self, seconds: float) -> bool:
        return True

    def move(self, position: int) -> None:
        self.next = next(at for at, each in enumerate(self.batches) if each.last >= position)
        first = self.batches[self.next]
        self.batches[self.next] = first._replace(skip=position - first.first)


class Parked:
    """Parks the records of these keys."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.asked: list[int] = []

    @property
    def is_idle(self) -> bool:
        return not self.keys

    def park(self, records: Sequence[Record[Any]]) -> Collection[int]:
        self.asked += [each.seq for each in records]
        return [each.seq for each in records if each.key in self.keys]


def five(first: int, **last: Any) -> Batch:
    """A batch of five records; `last` replaces the data of its fourth."""
    datas: list[dict[str, Any]] = [{"n": n} for n in range(5)]
    datas[3].update(last)
    return batch_of(*(record(each, key=f"k{n}") for n, each in enumerate(datas)), first=first)


@pytest.fixture
def parked() -> Parked:
    return Parked()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The first seqs of the batches that were decoded."""
    firsts: list[int] = []
    records = Batch.records

    def telling(self: Batch) -> list[Record[Any]]:
        firsts.append(self.first)
        return records(self)

    monkeypatch.setattr(Batch, "records", telling)
    return firsts


@pytest.fixture(params=["compiled", "python"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is run with the compiled encoder, and as if it was not there."""
    if request.param == "python":
        monkeypatch.setattr(encoding, "_encode_plain", None)
    else:
        request.getfixturevalue("native")


def intake(parked: Parked, *batches: Batch) -> Intake:
    return Intake(Log(*batches), Encoder(str), parked, Clock())


def taken(intake: Intake) -> list[int]:
    """The seqs of all that can be taken; the marks are checked to be the same and the parked ones."""
    seqs: list[int] = []
    while (portion := intake.take()) is not None:
        sent = [each[0] for each in portion.outgoing]
        assert [mark[0] for mark in portion.marks] == sorted([*sent, *portion.passed])
        seqs += sent
        if intake.halt is not None:
            break
    return seqs


@pytest.mark.usefixtures("native")
def test_only_the_first_batch_of_a_type_is_decoded(parked: Parked, decoded: list[int]) -> None:
    assert taken(intake(parked, five(1), five(6), five(11))) == list(range(1, 16))

    assert decoded == [1]
    assert parked.asked == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("native")
def test_while_a_key_may_be_parked_every_batch_is_decoded(parked: Parked, decoded: list[int]) -> None:
    parked.keys = {"k1"}
    every = intake(parked, five(1), five(6), five(11))

    assert taken(every) == [1, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15]
    assert decoded == [1, 6, 11]


@pytest.mark.usefixtures("either")
def test_poison_in_the_middle_of_a_batch_halts_at_exactly_that_record(parked: Parked) -> None:
    every = intake(parked, five(1), five(6, n=float("nan")), five(11))

    assert taken(every) == [1, 2, 3, 4, 5, 6, 7, 8]

    assert isinstance(every.halt, PoisonMessage)
    assert (every.halt.seq, every.offender.seq) == (9, 9)
    assert every.skip().seq == 9
    assert taken(every) == [10, 11, 12, 13, 14, 15]


@pytest.mark.usefixtures("either")
def test_a_record_that_was_refused_halts_it_when_its_turn_has_come_again(parked: Parked) -> None:
    every = intake(parked, five(1), five(6), five(11))
    assert taken(every) == list(range(1, 16))
    every.refuse(DeliveryFailed(8, Verdict.POISON, "too large"))
    every.restart(7)

    assert taken(every) == [7]

    assert isinstance(every.halt, PoisonMessage)
    assert every.offender.seq == 8
    every.skip()
    assert taken(every) == [9, 10, 11, 12, 13, 14, 15]


@pytest.mark.usefixtures("either")
def test_it_begins_inside_a_batch_when_the_position_is_there(parked: Parked) -> None:
    every = intake(parked, five(1), five(6))
    taken(every)

    for position in range(1, 11):
        every.restart(position)
        assert taken(every) == list(range(position, 11))


@pytest.mark.usefixtures("either")
def test_what_is_parked_behind_an_offender_does_not_count_before_its_turn(parked: Parked) -> None:
    parked.keys = {"k0", "k4"}
    every = intake(parked, five(1, n=float("inf")))

    portion = every.take()

    assert portion is not None
    assert (portion.passed, [mark[0] for mark in portion.marks]) == ([1], [1, 2, 3])


@pytest.mark.usefixtures("either")
def test_what_was_read_and_not_taken_is_dropped_by_a_restart(parked: Parked) -> None:
    log = Log(five(1), five(6), five(11))
    log.at_once = 3
    every = Intake(log, Encoder(str), parked, Clock())
    every.take()

    every.restart(3)

    assert taken(every) == list(range(3, 16))


@pytest.mark.usefixtures("either")
def test_what_is_encoded_is_the_same_with_and_without_the_compiled_encoder(parked: Parked) -> None:
    every = intake(parked, *(five(1 + 5 * n, text=f"tëxt\n{n}") for n in range(3)))

    sent = [each for portion in iter(every.take, None) for each in portion.outgoing]

    assert [(seq, topic, key, value) for seq, topic, key, value, _ in sent[8:10]] == [
        (9, "order", "k3", '{"n":3,"text":"tëxt\\n1"}'.encode()),
        (10, "order", "k4", b'{"n":4}'),
    ]
    assert sent[8][4] == [
        ("id", "65a000000000000000000001"), ("seq", "9"), ("created", "2025-01-02T03:04:05.678Z"), ("type", "order"),
    ]  # fmt: skip


@pytest.mark.usefixtures("either")
def test_a_batch_that_is_corrupt_halts_it_after_all_before_it(parked: Parked) -> None:
    broken = five(6)
    broken = broken._replace(raw=broken.raw.replace(b"\x07id\0", b"\x07di\0"))
    every = intake(parked, five(1), broken, five(11))

    assert taken(every) == [1, 2, 3, 4, 5]
    assert isinstance(every.halt, LogCorrupt)


@pytest.mark.usefixtures("either")
def test_the_topic_of_a_later_type_is_asked_for_again_until_a_broker_answers(parked: Parked) -> None:
    answers: list[Exception | None] = [None, Unreachable("away"), None]

    def topic(type: str) -> str:
        if (error := answers.pop(0)) is not None:
            raise error
        return type

    new = batch_of(record({}), record({}, type="new"), first=6)
    every = Intake(Log(five(1), new), Encoder(topic), parked, Clock())

    assert taken(every) == [1, 2, 3, 4, 5, 6, 7]
    assert answers == []
