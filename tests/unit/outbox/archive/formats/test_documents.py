"""BSON documents as chunks: as a collection has them, and cut ones are found."""

from __future__ import annotations

import bson
import pytest

from outbox.archive.formats.chunk_format import Wanted
from outbox.archive.formats.documents import Documents
from outbox.errors import ArchiveDamaged
from tests.unit.outbox.archive.formats.test_chunk_format import chunk


def test_a_document_is_what_a_collection_has() -> None:
    stored, _ = chunk("bson", [{"data": {"n": 1}}], first=7)
    [found] = bson.decode_all(stored)

    assert list(found) == ["_id", "id", "created", "type", "key", "headers", "data"]
    assert (found["_id"], found["data"]) == (7, {"n": 1})


@pytest.mark.parametrize("cut", [1, 20, 70])
def test_a_cut_document_is_found(cut: int) -> None:
    stored, entry = chunk("bson", [{}, {}])

    with pytest.raises(ArchiveDamaged):
        list(Documents().records(stored[:-cut], entry, Wanted(0, 9)))


def test_what_is_no_record_is_found() -> None:
    _, entry = chunk("bson", [{}])

    with pytest.raises(ArchiveDamaged, match="is no record"):
        Documents().check(bson.encode({"_id": 1, "anything": "x" * 100}), entry)
