"""What keeps the files of an archive."""

from __future__ import annotations

from typing import Protocol


class Store(Protocol):
    """Keeps files by their paths, which are relative and have `/`. Raises OSError. Thread-safe."""

    formats: tuple[str, ...]
    """Those that its chunks may have; the first one when none is asked for."""

    def read(self, path: str) -> bytes:
        """Returns a whole file. Raises FileNotFoundError."""

    def names(self, folder: str) -> list[str]:
        """Returns the names of the files of a folder, in order; none when there is no such folder."""

    def create(self, path: str, content: bytes) -> None:
        """Writes a file, all of it or nothing, to stay whatever crashes. Raises FileExistsError when it is there."""

    def remove(self, path: str) -> None:
        """Removes a file; does nothing when it is gone already."""

    def remove_unfinished(self, folder: str, seconds: float) -> list[str]:
        """Removes what killed processes have left of files, once it is so old, and returns the names. Whoever is still
        writing one of them meets an OSError, and begins it again."""
