"""The garbage collector, set for a process that does nothing but relay."""

from __future__ import annotations

import gc


def collect_rarely() -> None:
    """Call it once, when all is loaded; not for a process that is somebody else's.

    Messages are trees, freed as they go: looking for cycles among them, and through all that is loaded, took a third of
    a record's time (measured).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
