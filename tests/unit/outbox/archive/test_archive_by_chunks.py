"""Who reads an archive chunk by chunk is told how far it is, although it gets no records."""

from __future__ import annotations

from pathlib import Path

import pytest

from outbox.archive import Archive, archive
from tests.actors.archives import archive_of, seqs, store


def by_chunks(of: Archive, *types: str) -> list[tuple[int, list[int]]]:
    return [(behind, seqs(records)) for behind, records in of.by_chunks(types=types or None)]


def test_each_chunk_comes_with_the_seq_behind_it(tmp_path: Path) -> None:
    made = archive_of(tmp_path, (1, 3), (4, 4))
    store(made, range(5, 7), type="order.cancelled")

    assert by_chunks(made) == [(4, [1, 2, 3]), (5, [4]), (7, [5, 6])]
    assert by_chunks(made, "order.cancelled") == [(7, [5, 6])]


def test_one_that_is_read_and_has_nothing_comes_all_the_same(tmp_path: Path) -> None:
    made = archive_of(tmp_path, (1, 3), (4, 6))

    assert [(behind, list(records)) for behind, records in made.by_chunks(key="of nobody")] == [(4, []), (7, [])]


def test_now_and_then_one_that_is_passed_over_comes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = archive_of(tmp_path, *((first, first) for first in range(1, 6)))
    store(made, range(6, 7), type="order.cancelled")
    monkeypatch.setattr(archive, "_PASSED_OVER", 2)

    assert by_chunks(made, "order.cancelled") == [(3, []), (5, []), (7, [6])]
    assert seqs(made.read(types=["order.cancelled"])) == [6]
    found = made.find(next(made.read(6)).id)
    assert found is not None
    assert found[1].seq == 6
