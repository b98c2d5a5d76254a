"""How far long work is: shown on a terminal, and nowhere else."""

from __future__ import annotations

import io

from rich.console import Console

from outbox.cli.progress import RecordProgress


def shown(*, terminal: bool) -> str:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=150)
    with RecordProgress("shop.orders to /srv/archive", total=300, done=100, console=console) as progress:
        progress.reach(200, 5_000_000)
        progress.reach(400, 5_000_000)
    assert progress.bytes == 10_000_000
    return screen.getvalue()


def test_a_terminal_sees_records_bytes_rate_and_how_long() -> None:
    text = shown(terminal=True)

    for part in ("shop.orders to /srv/archive", "400/400", "9.54 MiB", "records/s", "0:00:00"):
        assert part in text, part


def test_what_is_no_terminal_sees_nothing() -> None:
    assert shown(terminal=False) == ""
