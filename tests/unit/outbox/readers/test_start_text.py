"""What is typed as a start, wherever it is typed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from outbox.readers.start import DURABLE_WORDS, WORDS, read

NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_itself(word: str) -> None:
    assert read(word, WORDS) == word


def test_digits_are_a_seq() -> None:
    assert read("17", WORDS) == 17


@pytest.mark.parametrize("text", ["2025-01-01", "2025-01-01T00:00Z", "2025-01-01T01:00+01:00"])
def test_a_date_without_a_zone_is_in_utc(text: str) -> None:
    assert read(text, DURABLE_WORDS) == NEW_YEAR


@pytest.mark.parametrize("text", ["", "beginning", "first", "-1", "0x1", "2025-13-01", "1.0"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="isoformat|month"):
        read(text, WORDS)
