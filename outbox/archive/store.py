"""Where an archive's files are: a folder of this machine, or whatever fsspec can reach."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from typing import Any, Protocol

from outbox.archive.missing_extra import needed
from outbox.errors import InvalidArchive

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class Store(Protocol):
    """Keeps files by their paths, which are relative and have `/`. Raises OSError. Thread-safe."""

    def read(self, path: str) -> bytes:
        """Returns a whole file. Raises FileNotFoundError."""

    def names(self, folder: str) -> list[str]:
        """Returns the names of the files of a folder, in order; none when there is no such folder."""

    def create(self, path: str, content: bytes) -> None:
        """Writes a file, all of it or nothing, to stay whatever crashes. Raises FileExistsError when it is there."""

    def remove(self, path: str) -> None:
        """Removes a file; does nothing when it is gone already."""


class Folder:
    """A Store in a folder of a file system."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes:
        """See Store."""
        return (self._root / path).read_bytes()

    def names(self, folder: str) -> list[str]:
        """See Store."""
        try:
            return sorted(file.name for file in (self._root / folder).iterdir())
        except FileNotFoundError:
            return []

    def create(self, path: str, content: bytes) -> None:
        """See Store: under a temporary name first, then under its own, which only one can give it."""
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _name(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(target.parent)

    def remove(self, path: str) -> None:
        """See Store."""
        target = self._root / path
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
            _sync(target.parent)


def _name(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():  # a file system without links: two who come at the same moment are told apart by the lease
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        temporary.rename(target)


def _sync(folder: Path) -> None:
    if os.name == "nt":  # where a folder cannot be opened
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class ObjectStore:
    """A Store by fsspec, where one PUT writes a whole object."""

    def __init__(self, url: str) -> None:
        fsspec = needed("fsspec", url)
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:  # an unknown protocol, or its package is missing
            raise InvalidArchive(f"{url!r} cannot be opened: {error}") from error

    def _path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"

    def read(self, path: str) -> bytes:
        """See Store."""
        found: bytes = self._files.cat_file(self._path(path))
        return found

    def names(self, folder: str) -> list[str]:
        """See Store."""
        self._files.invalidate_cache()  # another process may have written
        try:
            found = self._files.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(name).rpartition("/")[2] for name in found)

    def create(self, path: str, content: bytes) -> None:
        """See Store."""
        target = self._path(path)
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(target, content, mode="create")

    def remove(self, path: str) -> None:
        """See Store."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(path))


def store(url: str | os.PathLike[str]) -> Store:
    """Opens the store at a folder or a URL. Raises InvalidArchive."""
    place: Any = os.fspath(url) if isinstance(url, (str, os.PathLike)) else url
    if not isinstance(place, str) or not place:
        raise InvalidArchive(
            f"{url!r:.200} is no place for an archive: give a folder, or a URL such as s3://bucket/path"
        )
    if place.startswith("file://"):
        return Folder(Path(place.removeprefix("file://")))
    if place.startswith(("mongodb://", "mongodb+srv://")):
        raise InvalidArchive("an archive is kept in files: give a folder, or a URL such as s3://bucket/path")
    return ObjectStore(place) if "://" in place else Folder(Path(place))
