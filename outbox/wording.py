"""Things in words: errors without the driver's appendix, bytes and seconds as people say them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pymongo.errors import BulkWriteError

from outbox.privileges import PAGE, is_unauthorized

_APPENDIX = re.compile(r", full error: | \(configured timeouts: |, Timeout: ")
_SPANS = (("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_COMMAND = re.compile(r'(?s)command \{ (\w+): (?:"([^"]*)"|.).*')


def in_short(error: Exception) -> str:
    """The error's text up to what pymongo appends to it; other errors' texts as they are.

    A want of privileges is said with what to do about it, and without the refused command's values.
    """
    said = _APPENDIX.split(str(error), maxsplit=1)[0]
    if isinstance(error, BulkWriteError):  # which itself says only that there were errors
        said = "; ".join(_reasons(error.details)) or said
    if not is_unauthorized(error):
        return said
    return f"{_COMMAND.sub(_named, said)}. {PAGE} has a role for each kind of process: grant it to MongoDB's user"


def _reasons(details: Mapping[str, Any]) -> list[str]:
    """What the server said of a bulk write, each thing once: never the values of what it refused."""
    found = (*details.get("writeErrors", ()), *details.get("writeConcernErrors", ()))
    return list(dict.fromkeys(f"{each.get('errmsg') or 'no reason given'} ({each.get('code')})" for each in found))[:3]


def _named(command: re.Match[str]) -> str:
    name, collection = command.groups()
    return name if collection is None else f"{name} on {collection}"


def size(count: float) -> str:
    """A count of bytes, with three digits: "512 B", "1.17 MiB", "64 MiB"."""
    unit = "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if count < 999.5:
            break
        count, unit = count / 1024, larger
    return f"{count:.3g} {unit}"


def span(seconds: float) -> str:
    """Seconds in the largest unit of which there are two: "90 s", "12 min", "36 h", "5 days"."""
    unit, length = next((each for each in _SPANS if seconds >= 2 * each[1]), _SPANS[-1])
    return f"{seconds / length:,.0f} {unit}"
