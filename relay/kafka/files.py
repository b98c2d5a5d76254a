"""The files that Kafka's settings name, read before librdkafka has them: it says which setting failed, but not why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from relay.errors import InvalidSettings

_FILES = (
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.crl.location",
    "https.ca.location",
)
_PERHAPS_FOLDERS = ("ssl.ca.location", "https.ca.location")


def check_files(settings: Mapping[str, str]) -> None:
    """Raises InvalidSettings for a file that is not there, cannot be read, or is empty."""
    for name in _FILES:
        path = settings.get(name, "")
        if not path or path == "probe" or (name in _PERHAPS_FOLDERS and Path(path).is_dir()):
            continue
        try:
            with Path(path).open("rb") as file:
                is_empty = not file.read(1)
        except (OSError, ValueError) as error:  # ValueError: a path with a null in it
            why = getattr(error, "strerror", error)
            raise InvalidSettings(f"the Kafka setting {name!r}: {path}: {why}") from None
        if is_empty:
            raise InvalidSettings(f"the Kafka setting {name!r}: {path}: the file is empty")
