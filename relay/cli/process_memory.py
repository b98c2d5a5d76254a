"""Tunes the memory of a process that only relays: collected rarely, and kept for the next messages."""

from __future__ import annotations

import ctypes
import gc
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # as malloc.h of glibc has them
_KEPT_BYTES = 64 << 20
_LARGEST_BYTES = 32 << 20  # the most that glibc takes


def keep_memory() -> None:
    """Makes the garbage collector rare, and keeps freed memory. Call it once, when all is loaded, in a process of ours.

    Messages are trees, freed at once: looking for cycles among them, and through all that is loaded, took a third of a
    record's time (measured).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    _keep_what_is_freed()


def _keep_what_is_freed() -> None:
    """Sets glibc, where it is the C library, to keep what is freed: the next batch needs it, and a page costs a fault.

    The first two settings go together: the first alone ends glibc's own adapting of the second, and then every batch is
    mapped and unmapped, with four times the faults (measured). And one heap for all threads: a batch is fetched on one,
    encoded on another and sent on a third, and each thread would keep its own (145 MiB resident instead of 103, at the
    same speed).
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BYTES)
        mallopt(_M_ARENA_MAX, 1)
