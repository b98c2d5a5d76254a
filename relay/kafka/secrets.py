"""Keeps the secrets among Kafka's settings out of errors and of librdkafka's log."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

_SECRET = re.compile(r"password|passphrase|secret|\.pem$|oauthbearer\.(config|.*url)|^(ssl|https)_")
_ECHO = re.compile(r'Invalid value ".*" for configuration')
_SHORTEST = 4  # to replace a shorter one would garble every sentence, and give it away


def is_secret(name: str) -> bool:
    """Tells whether a setting of this name has a value that nobody is to see."""
    return _SECRET.search(name) is not None


class Secrets(logging.Filter):
    """Replaces the secret values of settings with *** in texts, and in a logger's lines. Immutable, thread-safe."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        super().__init__()
        values = [value for name, value in settings.items() if _SECRET.search(name) and len(value) >= _SHORTEST]
        self._values = sorted(values, key=len, reverse=True)  # one may be a part of another

    def hide(self, text: str) -> str:
        """Returns the text without secrets, and without what librdkafka quotes as invalid: that may be a password."""
        for value in self._values:
            text = text.replace(value, "***")
        return _ECHO.sub("Invalid value for configuration", text)

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.hide(record.getMessage()), ()
        return True
