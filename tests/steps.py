"""Which of its steps a scene is ended or overtaken at."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

EVERY = int(os.environ.get("OUTBOX_TEST_EVERY", "2"))
"""1: at each step, which takes minutes more. 2: at each second one, even or odd: two scenes share their steps."""


def steps(scene: int) -> Iterator[int]:
    """Gives the steps of the scene of this number, without end."""
    return itertools.count(scene % EVERY, EVERY)
