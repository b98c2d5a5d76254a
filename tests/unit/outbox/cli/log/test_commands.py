"""The commands on the log, as far as no server is needed."""

from __future__ import annotations

import pytest

from outbox.cli.log.commands import start_of
from outbox.errors import InvalidStart


@pytest.mark.parametrize("text", ["first", "0x1", "-1", "2025-13-01"])
def test_a_start_that_is_none_is_refused_before_a_server_is_asked(text: str) -> None:
    with pytest.raises(InvalidStart, match="earliest, latest, a seq, a date"):
        start_of(text)
