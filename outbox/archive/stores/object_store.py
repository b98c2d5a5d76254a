"""An archive in an object store, or wherever else fsspec can write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from outbox.archive.formats.choice import FILES
from outbox.archive.missing_extra import needed
from outbox.errors import InvalidArchive


class ObjectStore:
    """Is Store by fsspec, where one conditional PUT writes a whole object: all of it or nothing, and once."""

    formats = FILES

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
        with _errors():
            found: bytes = self._files.cat_file(self._path(path))
        return found

    def names(self, folder: str) -> list[str]:
        """See Store."""
        with _errors():
            self._files.invalidate_cache()  # another process may have written
            try:
                found = self._files.ls(self._path(folder), detail=False)
            except FileNotFoundError:
                return []
        return sorted(str(name).rpartition("/")[2] for name in found)

    def create(self, path: str, content: bytes) -> None:
        """See Store."""
        target = self._path(path)
        with _errors():
            self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(target, content, mode="create")

    def remove(self, path: str) -> None:
        """See Store."""
        with _errors(), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(path))

    def remove_unfinished(self, folder: str, seconds: float) -> list[str]:
        """See Store. A PUT that did not end has left nothing."""
        return []


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """Makes an OSError of whatever a store's own library raises, such as botocore when it finds no credentials."""
    try:
        yield
    except (OSError, InvalidArchive):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
