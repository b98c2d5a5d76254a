"""Prepares a process that goes on until a signal: how it ends, where its log output goes, and how it keeps memory."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import sys
import threading

from outbox.monitoring.json_lines import JsonLines
from relay.cli.settings import LogFormat

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # from malloc.h of glibc
_KEPT_BYTES = 64 << 20
_LARGEST_BYTES = 32 << 20  # the largest value that glibc takes


def stop_on_signals() -> threading.Event:
    """Returns an event that SIGTERM and Ctrl-C set; the second of them ends the process at once."""
    stop = threading.Event()

    def on_signal(number: int, _: object) -> None:
        if stop.is_set():  # the second signal: the user does not want to wait for draining
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return stop


def log_to_terminal(level: str, form: LogFormat = "text") -> None:
    """Lets what relay and outbox log from `level` on go to standard error."""
    handler: logging.Handler
    if form == "json":
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(console=Console(stderr=True), show_path=False)
    else:  # a file or a container's log: one line for each event, however long
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    for channel in ("relay", "outbox"):
        logging.getLogger(channel).addHandler(handler)
        logging.getLogger(channel).setLevel(level.upper())


def keep_memory() -> None:
    """Makes the garbage collector rare, and keeps freed memory. Call it once, when all is loaded, in a process of ours.

    Messages have no cycles, so they are freed at once. Looking for cycles among them, and in all that is loaded, took a
    third of a record's time (measured).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    _keep_what_is_freed()


def _keep_what_is_freed() -> None:
    """Makes glibc, where it is the C library, keep freed memory: the next batch needs it, and each new page is a fault.

    The first two settings belong together: the first alone stops glibc from adapting the second, so every batch is
    mapped and unmapped, with four times the faults (measured). The third makes one heap for all threads: a batch is
    fetched on one thread, encoded on another and sent on a third, and each would keep memory of its own (145 MiB
    resident instead of 103, at the same speed).
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BYTES)
        mallopt(_M_ARENA_MAX, 1)
