"""What the demo shows on a terminal, and without one."""

from __future__ import annotations

import pytest
from rich.console import Console

from relay.demo.display import Counts, Display
from relay.demo.report import Check


def counts(relayed: int) -> Counts:
    return Counts(goal=100, committed=100, aborted=7, numbered=99, observed=98, relayed=relayed, latest=None)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_live_view_fits_the_terminal(width: int) -> None:
    console = Console(force_terminal=True, width=width, height=30, record=True, color_system=None)
    display = Display(console)
    with display.counting():
        display.show(counts(90), 2.0)
    lines = console.export_text().splitlines()
    assert any(line.startswith("relayed") and " 90 " in line for line in lines)
    assert max(len(line.rstrip()) for line in lines) <= width


def test_without_a_terminal_there_is_a_line_a_second_and_one_at_the_end() -> None:
    console = Console(force_terminal=False, width=80, record=True)
    display = Display(console)
    with display.counting():
        for tenth in range(25):
            display.show(counts(50), tenth / 10)
        display.show(Counts(100, 100, 7, 100, 100, 100, None), 2.5)
    lines = console.export_text().splitlines()
    assert [line.split(" s:")[0].strip() for line in lines] == ["0.0", "1.0", "2.0", "2.5"]
    assert lines[-1].endswith("committed 100 (aborted 7), in the log 100, observed 100, on Kafka 100")


def test_the_verdict_needs_no_more_than_the_terminal_can_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "encoding", "ascii")
    console = Console(force_terminal=False, width=80, record=True)
    Display(console).verdict([Check(True, "good"), Check(False, "bad")], 1.0)
    text = console.export_text()
    assert text.isascii()
    assert "! bad" in text
    assert "1 of 2 checks FAILED" in text
