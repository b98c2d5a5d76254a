"""Writes log records as JSON, one object a line, for whoever gathers them."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from outbox import dates

FIELDS = ("outbox", "reader", "seq", "id")
"""What a line has beside the message, where it is about that; given by `extra`."""


class JsonLines(logging.Formatter):
    """Makes `{"time", "level", "logger", "message"}`, with FIELDS where they are known, and `error` for a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns a record as a line. Nothing of its values is hidden: what is logged holds no secrets."""
        line = {
            "time": dates.text(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: getattr(record, name) for name in FIELDS if getattr(record, name, None) is not None},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
