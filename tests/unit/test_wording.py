"""What is left of the driver's errors."""

from __future__ import annotations

import pytest

from outbox.wording import in_short


@pytest.mark.parametrize(
    "appendix",
    [
        ", full error: {'ok': 0.0}",
        ", Timeout: 5s, Topology Description: <…>",
        " (configured timeouts: connectTimeoutMS: 2)",
    ],
)
def test_only_what_happened_is_said(appendix: str) -> None:
    assert in_short(RuntimeError(f"it did not work{appendix}")) == "it did not work"


def test_other_texts_stay_as_they_are() -> None:
    assert in_short(ValueError("a, b (c)")) == "a, b (c)"
