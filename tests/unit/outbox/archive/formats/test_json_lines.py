"""Lines of JSON as chunks: only wanted ones are parsed, and one that is cut or wrong is named."""

from __future__ import annotations

import pytest

from outbox.archive.formats import json_lines
from outbox.archive.formats.chunk_format import Wanted
from outbox.archive.formats.json_lines import JsonLines
from outbox.errors import ArchiveDamaged
from tests.actors.archives import draft, line


def test_a_line_that_is_not_wanted_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    stored, entry = draft(range(1, 100)).finish()
    mine = line(50, type="order.cancelled")[1]
    stored = stored.replace(line(50)[1], mine)
    parsed: list[bytes] = []
    monkeypatch.setattr(json_lines, "record", parsed.append)
    list(JsonLines("jsonl").records(stored, entry, Wanted(0, 99, frozenset({"order.cancelled"}))))

    assert [each + b"\n" for each in parsed] == [mine]


@pytest.mark.parametrize(
    "content",
    [
        line(1)[1] + line(3)[1],
        line(1)[1] + line(1)[1] + line(3)[1],
        line(1)[1] + line(2)[1][:-3] + b"\n" + line(3)[1],
        line(1)[1] + line(2)[1] + line(3)[1][:-1],
        line(1)[1] + b"\n" + line(2)[1] + line(3)[1],
        b"",
    ],
    ids=["too-few", "twice", "cut", "no-end", "empty-line", "empty"],
)
def test_lines_that_are_not_as_they_were_written_are_found(content: bytes) -> None:
    _, entry = draft(range(1, 4)).finish()

    with pytest.raises(ArchiveDamaged):
        JsonLines("jsonl").check(content, entry)


def test_a_line_longer_than_a_block_is_whole() -> None:
    stored, entry = draft(range(1, 4), data={"text": "x" * 3_000_000}).finish()

    assert [
        len(each.data["text"]) for each in JsonLines("jsonl").records(stored, entry, Wanted(0, 9)) if each.data
    ] == [3_000_000] * 3
