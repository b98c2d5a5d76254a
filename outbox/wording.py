"""The driver's errors in words: what happened, without what it appends on the whole topology and its settings."""

from __future__ import annotations

import re

from outbox.privileges import PAGE, is_unauthorized

_APPENDIX = re.compile(r", full error: | \(configured timeouts: |, Timeout: ")
_COMMAND = re.compile(r'(?s)command \{ (\w+): (?:"([^"]*)"|.).*')


def in_short(error: Exception) -> str:
    """The error's text up to what pymongo appends to it; other errors' texts as they are.

    A want of privileges is said with what to do about it, and without the refused command's values.
    """
    said = _APPENDIX.split(str(error), maxsplit=1)[0]
    if not is_unauthorized(error):
        return said
    return f"{_COMMAND.sub(_named, said)}. {PAGE} has a role for each kind of process: grant it to MongoDB's user"


def _named(command: re.Match[str]) -> str:
    name, collection = command.groups()
    return name if collection is None else f"{name} on {collection}"
