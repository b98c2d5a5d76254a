"""A chunk: how much it takes, and how it is checked."""

from __future__ import annotations

import dataclasses

import pytest

from outbox.archive.chunk import Draft, check, sha256, verified
from outbox.errors import ArchiveDamaged
from tests.actors.archives import draft, line


def test_it_takes_as_many_records_as_it_may() -> None:
    made = Draft("jsonl", most_records=5)

    assert made.take([line(seq) for seq in range(1, 4)]) == 3
    assert not made.is_full
    assert made.take([line(seq) for seq in range(4, 9)]) == 2
    assert made.is_full
    assert made.take([line(6)]) == 0


def test_it_takes_as_many_bytes_as_it_may() -> None:
    made = Draft("jsonl", most_bytes=len(line(1)[1]) * 2 + 5)

    assert made.take([line(seq) for seq in range(1, 4)]) == 2
    assert made.is_full


def test_a_line_that_is_larger_than_a_chunk_stands_alone() -> None:
    made = Draft("jsonl", most_bytes=10)

    assert made.take([line(1), line(2)]) == 1
    assert len(made.finish()[0]) == len(line(1)[1])


def test_a_gap_is_refused() -> None:
    with pytest.raises(ArchiveDamaged, match="seq 2 to 2 did not come"):
        draft([1, 3])


def test_it_begins_and_ends_as_its_lines_do_however_often_it_took() -> None:
    made = Draft("jsonl")
    made.take([line(1)])
    made.take([line(2), line(3)])
    _, entry = made.finish()

    assert (entry.first, entry.last, entry.created_first, entry.created_last) == (
        1, 3, "2025-01-01T00:01:00.000Z", "2025-01-01T00:03:00.000Z",
    )  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        line(1)[1] + line(3)[1],
        line(1)[1] + line(1)[1] + line(3)[1],
        line(1)[1] + line(2)[1] + line(3)[1] + line(4)[1],
        line(1)[1] + line(2)[1] + line(3)[1][:-5] + b"\n",
        b"",
    ],
    ids=["too-few", "twice", "too-many", "cut", "empty"],
)
def test_a_chunk_with_a_checksum_that_fits_is_counted_all_the_same(content: bytes) -> None:
    _, entry = draft(range(1, 4)).finish()
    wrong = dataclasses.replace(entry, bytes=len(content), sha256=sha256(content))

    with pytest.raises(ArchiveDamaged):
        check(content, wrong)


def test_a_checksum_that_does_not_fit_is_found_before_the_first_line() -> None:
    stored, entry = draft(range(1, 4)).finish()
    with pytest.raises(ArchiveDamaged, match="sha256"):
        verified(stored.replace(b"42", b"43"), entry)
