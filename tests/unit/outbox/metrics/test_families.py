"""The metrics and their page."""

from __future__ import annotations

import re
from pathlib import Path

from outbox.metrics.families import FAMILIES as OF_OUTBOXES
from relay.monitoring.metrics import FAMILIES as OF_RELAYS

PAGE = Path(__file__).parents[4] / "docs" / "monitoring.md"


def test_the_page_has_all_metrics_with_their_labels_and_no_others() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## Metrics")[2].partition("\n## ")[0]
    rows = re.findall(r"`((?:outbox|relay)_\w+?)(?:\{([\w,]*)\})?`", table.partition("|---|")[2])

    documented = {name: set(filter(None, labels.split(","))) for name, labels in rows}

    assert documented == {
        family.name: set(family.labels) - {"database", "outbox"} for family in (*OF_OUTBOXES, *OF_RELAYS)
    }
