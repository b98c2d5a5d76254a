"""Secrets among Kafka's settings, and how they are kept out of what librdkafka says of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

_SECRET = re.compile(r"password|passphrase|secret|\.pem$|oauthbearer\.(config|.*url)|^(ssl|https)_")
_ECHO = re.compile(r'Invalid value ".*" for configuration')
_SHORTEST = 4  # to blank out a shorter one would garble every sentence, and tell it


class Secrets(logging.Filter):
    """Blanks the secret values of some settings out of texts, and of a logger's lines. Immutable, thread-safe."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        super().__init__()
        values = [value for name, value in settings.items() if _SECRET.search(name) and len(value) >= _SHORTEST]
        self._values = sorted(values, key=len, reverse=True)  # one may be a part of another

    def hide(self, text: str) -> str:
        """The text without secrets. What librdkafka quotes as invalid is none of its words, and may be a password."""
        for value in self._values:
            text = text.replace(value, "***")
        return _ECHO.sub("Invalid value for configuration", text)

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.hide(record.getMessage()), ()
        return True
