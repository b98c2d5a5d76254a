"""What goes out next: whole batches undecoded where nothing has to be decided, and the same records where it has."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest

from outbox import LogCorrupt
from outbox.delivery.intake import Intake
from outbox.log.batch import Batch
from outbox.log.record import Record
from outbox.shares.share import Share, shares
from outbox.testing import FakeClock
from relay.encoding import encoder
from relay.encoding.encoder import Encoder
from relay.errors import DeliveryFailed, PoisonMessage, Unreachable, Verdict
from tests.doubles.batches import LOG, batch_of, record


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
        monkeypatch.setattr(encoder, "_encode_plain", None)
    else:
        request.getfixturevalue("native")


def intake(parked: Parked, *batches: Batch) -> Intake:
    return Intake(Log(*batches), Encoder(str, LOG), parked, FakeClock())


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
    every = Intake(log, Encoder(str, LOG), parked, FakeClock())
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
        ("id", "65a000000000000000000001"), ("seq", "9"), ("log", LOG), ("created", "2025-01-02T03:04:05.678Z"),
        ("type", "order"),
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
    every = Intake(Log(five(1), new), Encoder(topic, LOG), parked, FakeClock())

    assert taken(every) == [1, 2, 3, 4, 5, 6, 7]
    assert answers == []


# ---- a share


def share_of_five(parked: Parked, share: Share, *batches: Batch) -> Intake:
    return Intake(Log(*batches), Encoder(str, LOG), parked, FakeClock(), share)


def own(share: Share, *seqs: int) -> list[int]:
    """Those of the seqs that the share takes, in batches of five with the keys k0 … k4."""
    return [seq for seq in seqs if share.takes(f"k{(seq - 1) % 5}", b"", seq)]


@pytest.mark.parametrize("share", [*shares(2), *shares(3), Share(1, 1, ((7, 3),))])
@pytest.mark.usefixtures("either")
def test_a_share_sends_its_own_keys_and_passes_the_others(parked: Parked, share: Share) -> None:
    every = share_of_five(parked, share, five(1), five(6), five(11))

    portions = list(iter(every.take, None))

    assert [each[0] for portion in portions for each in portion.outgoing] == own(share, *range(1, 16))
    assert [portion.marks[-1][0] for portion in portions] == [5, 10, 15], "the cursor must not stop before others' keys"
    for portion in portions:
        sent = [each[0] for each in portion.outgoing]
        assert [mark[0] for mark in portion.marks] == sorted([*sent, *portion.passed])


@pytest.mark.usefixtures("native")
def test_a_share_decodes_no_more_than_one_alone(parked: Parked, decoded: list[int]) -> None:
    taken(share_of_five(parked, Share(1, 2), five(1), five(6), five(11)))

    assert decoded == [1]


@pytest.mark.usefixtures("either")
def test_a_share_is_not_halted_by_the_poison_of_another(parked: Parked) -> None:
    (other,) = [each for each in shares(2) if not each.takes("k3", b"", 1)]

    assert taken(share_of_five(parked, other, five(1, n=float("nan")), five(6))) == own(other, *range(1, 11))


@pytest.mark.usefixtures("either")
def test_a_share_is_halted_by_poison_of_its_own_and_goes_on_behind_it(parked: Parked) -> None:
    (share,) = [each for each in shares(2) if each.takes("k3", b"", 1)]
    every = share_of_five(parked, share, five(1, n=float("nan")), five(6))

    assert taken(every) == own(share, 1, 2, 3)
    assert isinstance(every.halt, PoisonMessage)
    assert every.skip().seq == 4
    assert taken(every) == own(share, *range(5, 11))


@pytest.mark.usefixtures("either")
def test_a_share_asks_for_its_own_keys_only_whether_they_are_parked(parked: Parked) -> None:
    share = next(each for each in shares(2) if each.takes("k1", b"", 1))
    parked.keys = {"k1"}
    every = share_of_five(parked, share, five(1), five(6))

    assert taken(every) == own(share, 1, 3, 4, 5, 6, 8, 9, 10)
    assert parked.asked == own(share, *range(1, 11))


@pytest.mark.usefixtures("either")
def test_a_share_whose_keys_are_in_no_batch_still_comes_to_its_end(parked: Parked) -> None:
    every = share_of_five(parked, Share(1, 1, ((10,),)), five(1), five(6))

    assert [(portion.outgoing, portion.marks[-1][0]) for portion in iter(every.take, None)] == [([], 5), ([], 10)]
