"""Chunks as a target: when one is stored, and that nothing is acknowledged before."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from outbox.archive import Archive
from outbox.archive.chunk import Draft
from outbox.archive.target import MOST_SECONDS, Chunks
from outbox.errors import DeliveryFailed, InvalidArchive
from outbox.testing import FakeClock
from tests.actors.archives import line, store


class Lease:
    def check(self) -> None:
        pass


class Target:
    """Chunks of five records, and what they acknowledge."""

    def __init__(self, folder: Path, *, once: bool = False) -> None:
        self.archive, self.clock, self.acknowledged = Archive(folder), FakeClock(), list[int]()
        self.chunks = Chunks(
            self.archive, "jsonl", once=once, stored=lambda _: None, clock=cast(Any, self.clock),
            draft=lambda format: Draft(format, most_records=5),
        )  # fmt: skip
        self.chunks.lease = cast(Any, Lease())
        self.chunks.open(self.acknowledged.append)

    def send(self, *seqs: int) -> int:
        return self.chunks.send([line(seq) for seq in seqs])


def test_a_full_chunk_is_stored_and_then_acknowledged(tmp_path: Path) -> None:
    target = Target(tmp_path)
    assert target.send(1, 2, 3, 4) == 4
    target.chunks.poll(0)
    assert target.acknowledged == []
    assert target.send(5, 6, 7) == 1
    target.chunks.poll(0)

    assert target.acknowledged == [1, 2, 3, 4, 5]
    assert target.archive.head == 5


def test_an_old_chunk_is_stored(tmp_path: Path) -> None:
    target = Target(tmp_path)
    target.send(1, 2)
    target.clock.advance(MOST_SECONDS - 1)
    target.chunks.poll(0)
    assert target.acknowledged == []
    target.clock.advance(1)
    target.chunks.poll(0)

    assert target.acknowledged == [1, 2]


def test_once_what_there_is_is_stored_when_nothing_more_comes(tmp_path: Path) -> None:
    target = Target(tmp_path, once=True)
    target.send(1, 2)
    target.chunks.poll(0)
    assert target.acknowledged == []
    target.chunks.poll(0)

    assert target.acknowledged == [1, 2]


def test_at_the_end_what_there_is_is_stored(tmp_path: Path) -> None:
    target = Target(tmp_path)
    target.send(1, 2)
    target.chunks.interrupt()
    target.chunks.poll(0)

    assert target.acknowledged == [1, 2]


def test_what_is_closed_forgets_what_was_not_stored(tmp_path: Path) -> None:
    target = Target(tmp_path)
    target.send(1, 2)
    target.chunks.close()
    target.chunks.open(target.acknowledged.append)
    target.send(1, 2, 3, 4, 5)
    target.chunks.poll(0)

    assert target.acknowledged == [1, 2, 3, 4, 5]


def test_another_that_has_stored_them_is_told_of_and_nothing_acknowledged(tmp_path: Path) -> None:
    target = Target(tmp_path)
    target.send(1, 2, 3, 4, 5)
    store(Archive(tmp_path), range(1, 4))

    with pytest.raises(DeliveryFailed, match="another process writes"):
        target.chunks.poll(0)
    assert target.acknowledged == []


def test_there_is_no_other_one_for_shares(tmp_path: Path) -> None:
    with pytest.raises(InvalidArchive):
        Target(tmp_path).chunks.another()
