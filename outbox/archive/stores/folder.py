"""An archive in a folder of a file system."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import time
from pathlib import Path

from outbox.archive.formats.choice import FILES

_UNFINISHED = re.compile(r"\.\d{19}.*\.[0-9a-f]{8}\.tmp")
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class Folder:
    """Is Store in a folder of a file system."""

    formats = FILES

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

    def remove_unfinished(self, folder: str, seconds: float) -> list[str]:
        """See Store."""
        removed = []
        for name in self.names(folder):
            file = self._root / folder / name
            with contextlib.suppress(FileNotFoundError):  # just finished by whoever writes it
                if _UNFINISHED.fullmatch(name) and time.time() - file.stat().st_mtime >= seconds:
                    file.unlink()
                    removed.append(name)
        return removed


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
