"""Prepares a command that goes on until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading


def stop_on_signals() -> threading.Event:
    """Returns an event that SIGTERM and Ctrl-C set, and lets warnings go to stderr, from now on."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return stop
