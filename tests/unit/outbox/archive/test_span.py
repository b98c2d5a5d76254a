"""From where to where: the chunks and records of a span."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from outbox.archive.formats.chunk_format import Wanted
from outbox.archive.span import Span, asked_span
from tests.actors.archives import archive_of


def test_chunks_outside_are_told_by_their_entries(tmp_path: Path) -> None:
    entries = archive_of(tmp_path, (1, 3), (4, 6), (7, 9)).chunks()
    six = datetime(2025, 1, 1, 0, 6, tzinfo=UTC)

    assert [asked_span(4, 6).begins_after(entry) for entry in entries] == [True, False, False]
    assert [asked_span(4, 6).ends_before(entry) for entry in entries] == [False, False, True]
    assert [asked_span(six, six).begins_after(entry) for entry in entries] == [True, False, False]
    assert [asked_span(six, six + timedelta(seconds=59)).ends_before(entry) for entry in entries] == [
        False,
        False,
        True,
    ]


def test_nothing_asked_for_is_all() -> None:
    assert asked_span(None, None) == asked_span(0, None) == Span()


def test_the_seqs_are_asked_of_a_chunk_with_the_types_and_the_key() -> None:
    assert asked_span(5, 6).wanted(frozenset({"a"}), "k") == Wanted(5, 6, frozenset({"a"}), "k")
