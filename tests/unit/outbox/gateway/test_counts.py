"""What a gateway counts."""

from __future__ import annotations

import pytest

from outbox.gateway.counts import Counts, kind_of


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/consumers/a/records", "reliable"),
        ("/v1/live/ws", "live"),
        ("/v1/messages", "post"),
        ("/openapi.json", "other"),
    ],
)
def test_each_call_has_its_kind(path: str, kind: str) -> None:
    assert kind_of(path) == kind


def test_only_refusals_are_failures() -> None:
    counts = Counts()
    counts.answered(200)
    counts.answered(409)

    assert counts.failures == {"409": 1}
