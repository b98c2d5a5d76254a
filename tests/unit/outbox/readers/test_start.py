"""What can be no start position is refused before the server is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from outbox import InvalidStart
from outbox.readers.start import check


@pytest.mark.parametrize("start", ["latest", "earliest", 1, 2**62, datetime(2025, 1, 2, tzinfo=UTC)])
def test_words_numbers_and_dates_are_positions(start: Any) -> None:
    check(start)


@pytest.mark.parametrize("start", [0, -1, True, False, "", "beginning", 1.5, None, b"latest"])
def test_anything_else_is_none(start: Any) -> None:
    with pytest.raises(InvalidStart, match="start="):
        check(start)
