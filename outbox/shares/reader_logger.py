"""Logs what a durable reader does: each line begins with who and where."""

from __future__ import annotations

import logging
from typing import Any

from outbox.log.reader_id import described


class ReaderLogger(logging.LoggerAdapter[logging.Logger]):
    """Logs lines such as `relay 'kafka' of shop.orders: paused`: a relay's to the logger `relay`, others' to `outbox`.

    Thread-safe. reader: its id, or that of one share. where: its outbox, for people.
    """

    def __init__(self, reader: str, where: str) -> None:
        super().__init__(logging.getLogger("relay" if reader.startswith("relay:") else "outbox"), {})
        self.fields = {"reader": reader, "outbox": where}
        """What each line is about, for one that does not begin with `label`."""
        self.label = f"{described(reader)} of {where}"
        """Who and where, as each line has it."""
        self.where = where

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """See logging.Logger.log, which all other methods call. extra: what the line is about, such as a seq."""
        kwargs["extra"] = {**self.fields, **(kwargs.get("extra") or {})}
        self.logger.log(level, f"%s: {msg}", self.label, *args, **kwargs)  # noqa: G004  # msg is the format itself
