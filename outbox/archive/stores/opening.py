"""Chooses by a folder or a URL where an archive is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from outbox.archive.stores.folder import Folder
from outbox.archive.stores.mongo_store import MongoStore
from outbox.archive.stores.object_store import ObjectStore
from outbox.archive.stores.store import Store
from outbox.errors import InvalidArchive

_CREDENTIALS = re.compile(r"://[^/@]*@")


def store(url: str | os.PathLike[str]) -> Store:
    """Opens the store at a folder or a URL; asks nobody. Raises InvalidArchive."""
    place: Any = os.fspath(url) if isinstance(url, (str, os.PathLike)) else url
    if not isinstance(place, str) or not place:
        raise InvalidArchive(
            f"{url!r:.200} is no place for an archive: give a folder, a URL such as s3://bucket/path, or "
            "mongodb://host/database.collection"
        )
    scheme, separator, path = place.partition("://")
    # By fsspec, of two processes at once each would believe that it has made a file.
    if separator and scheme in ("file", "local"):
        return Folder(Path(path))
    if place.startswith(("mongodb://", "mongodb+srv://")):
        return MongoStore(place)
    return ObjectStore(place) if "://" in place else Folder(Path(place))


def shown(url: str) -> str:
    """Returns a URL without the user and password that may be in it, for messages."""
    return _CREDENTIALS.sub("://", url)
