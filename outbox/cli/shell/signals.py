"""Prepares a command that goes on until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
from enum import StrEnum
from typing import Annotated

import typer

from outbox.monitoring.json_lines import JsonLines


class Format(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


LogFormat = Annotated[
    Format,
    typer.Option(
        "--log-format", metavar="FORMAT", help="Of the log, on standard error: text, or json, an object a line."
    ),
]


def stop_on_signals(form: Format = Format.TEXT) -> threading.Event:
    """Returns an event that SIGTERM and Ctrl-C set, and lets warnings go to stderr, from now on."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if form is Format.JSON else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    return stop
