"""How much load: a share that every run of the tests takes, or with OUTBOX_TEST_LOAD=full all of it."""

from __future__ import annotations

import os

IS_FULL = os.environ.get("OUTBOX_TEST_LOAD") == "full"


def size(share: int, full: int) -> int:
    """One of the two."""
    return full if IS_FULL else share
