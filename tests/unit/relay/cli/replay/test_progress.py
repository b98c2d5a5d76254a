"""How far a replay is, shown on a terminal alone."""

from __future__ import annotations

import io

from rich.console import Console

from relay.cli.replay.progress import ReplayProgress
from relay.replay.replay import Report


def shown(*, is_terminal: bool) -> str:
    output = io.StringIO()
    with ReplayProgress("shop.outbox", Console(file=output, force_terminal=is_terminal, width=100)) as progress:
        for reached in (10, 60):
            progress.show(Report(first=11, last=110, reached=reached))
    return output.getvalue()


def test_it_shows_records_rate_and_what_is_left() -> None:
    text = shown(is_terminal=True)

    assert "replaying shop.outbox" in text
    assert "50/100" in text


def test_it_is_silent_where_there_is_no_terminal() -> None:
    assert shown(is_terminal=False) == ""
