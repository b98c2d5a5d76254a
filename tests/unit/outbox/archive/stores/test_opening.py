"""Which place an archive is at, by its URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from outbox.archive import Archive
from outbox.archive.stores.folder import Folder
from outbox.archive.stores.mongo_store import MongoStore
from outbox.archive.stores.object_store import ObjectStore
from outbox.archive.stores.opening import store
from outbox.errors import InvalidArchive


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("/tmp/x", Folder), (Path("x"), Folder), ("file:///tmp/x", Folder),
        ("local:///tmp/x", Folder), ("memory://x", ObjectStore),
        ("mongodb://nobody:27017/shop.history?replicaSet=rs", MongoStore),
    ],
)  # fmt: skip
def test_a_url_says_what_kind_of_place_it_is(url: Any, kind: type[Any]) -> None:
    assert isinstance(store(url), kind)


@pytest.mark.parametrize(
    "url", ["", None, 5, "nothing://x", "mongodb://x", "mongodb://x/y", "mongodb://x/.y", "mongodb://x:y/a.b"]
)
def test_what_is_no_place_is_refused(url: Any) -> None:
    with pytest.raises(InvalidArchive):
        store(url)


def test_a_folder_may_be_named_as_a_scheme_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store("file").create("main/a", b"1")

    assert (tmp_path / "file/main/a").read_bytes() == b"1"


def test_a_password_is_not_shown() -> None:
    archive = Archive("mongodb://me:secret@nobody/shop.history")

    assert "secret" not in repr(archive)
    assert archive.url == "mongodb://nobody/shop.history"
