"""An object store as the place of an archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from outbox.archive.stores.object_store import ObjectStore


def test_whatever_its_library_raises_is_an_os_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentialsError(Exception):
        pass

    files = ObjectStore(f"local://{tmp_path}")

    def fail(*_: object, **__: object) -> None:
        raise NoCredentialsError("Unable to locate credentials")

    for name in ("cat_file", "ls", "pipe_file", "rm_file"):
        monkeypatch.setattr(files._files, name, fail)
    for call in (
        lambda: files.read("a"),
        lambda: files.names("a"),
        lambda: files.create("a/b", b""),
        lambda: files.remove("a"),
    ):
        with pytest.raises(OSError, match="NoCredentialsError: Unable to locate credentials"):
            call()
