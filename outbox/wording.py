"""The driver's errors in words: what happened, without what it appends on the whole topology and its settings."""

from __future__ import annotations

import re

_APPENDIX = re.compile(r", full error: | \(configured timeouts: |, Timeout: ")


def in_short(error: Exception) -> str:
    """The error's text up to what pymongo appends to it; other errors' texts as they are."""
    return _APPENDIX.split(str(error), maxsplit=1)[0]
