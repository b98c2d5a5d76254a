"""The ledger finds what it is there to find."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.acceptance.ledger import Seen, Written, content_faults, duplicates, log_faults

ONE, TWO, OTHER = Seen("1", "a", 1, 1), Seen("2", "a", 2, 2), Seen("3", "b", 1, 3)
WRITTEN = Written({"1": ("a", 1), "2": ("a", 2), "3": ("b", 1)}, aborted={"9"})


@pytest.mark.parametrize(
    "seen",
    [(ONE, TWO, OTHER), (OTHER, ONE, TWO), (ONE, TWO, ONE, OTHER, TWO)],
    ids=["as written", "another order across keys", "again from an earlier one"],
)
def test_all_that_was_committed_in_its_keys_order_is_faultless(seen: Sequence[Seen]) -> None:
    assert content_faults("Kafka", seen, WRITTEN) == []


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        ((ONE, TWO), "Kafka: 1 messages are missing, such as 3"),
        ((ONE, TWO, OTHER, Seen("9", "b", 2, 4)), "Kafka: 1 messages were aborted, such as 9"),
        ((ONE, TWO, OTHER, Seen("8", "b", 2, 4)), "Kafka: 1 messages were never committed, such as 8"),
        ((ONE, TWO, Seen("3", "b", 2, 3)), "Kafka: 3 is entry 2 of b, not ('b', 1)"),
        ((TWO, ONE, OTHER), "Kafka: a has 2 after 0"),
    ],
)
def test_what_is_missing_too_much_or_out_of_order_is_a_fault(seen: Sequence[Seen], fault: str) -> None:
    assert fault in content_faults("Kafka", seen, WRITTEN)


@pytest.mark.parametrize(
    ("seqs", "fault"),
    [
        ((1, 3), "the log goes from 1 to 3"),
        ((1, 2, 2), "the log goes from 2 to 2"),
        ((5, 6, 1), "the log goes from 6 to 1"),
    ],
)
def test_a_log_with_a_gap_a_repeated_or_a_misplaced_number_is_faulty(seqs: Sequence[int], fault: str) -> None:
    assert log_faults([Seen(str(index), "a", 1, seq) for index, seq in enumerate(seqs)]) == [fault]


def test_a_message_that_is_in_the_log_twice_is_a_fault() -> None:
    assert log_faults([ONE, Seen("1", "a", 1, 2)]) == ["1 message(s) are in the log twice, such as 1"]


def test_records_that_repeat_an_earlier_one_are_counted() -> None:
    assert duplicates([ONE, TWO, ONE, ONE]) == 2
