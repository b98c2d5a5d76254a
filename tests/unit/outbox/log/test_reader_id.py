"""What a durable reader can be called, and what people are told of it."""

from __future__ import annotations

from typing import Any

import pytest

from outbox.errors import InvalidName
from outbox.log.reader_id import check_id, described, forget_command, reader_id, reader_of, reset_command


@pytest.mark.parametrize(
    "id",
    ["relay:kafka", "consumer:billing", "projection:revenue", "latest:", "latest:prices", "archive:main", "mirror:b"],
)
def test_a_kind_a_colon_and_a_name_are_an_id(id: str) -> None:
    check_id(id)


@pytest.mark.parametrize(
    "id", ["", "kafka", "relay:", "relay:a b", "relay:kafka/2", "relais:kafka", "relay:kafka\n", "relay:a:b"]
)
def test_what_is_no_id_is_refused_with_what_one_is(id: str) -> None:
    with pytest.raises(InvalidName, match="give its kind") as refused:
        check_id(id)

    assert repr(id) in str(refused.value)


@pytest.mark.parametrize(
    ("cursor", "reader"),
    [
        ("relay:kafka", "relay:kafka"),
        ("relay:kafka/12", "relay:kafka"),
        ("latest:/2", "latest:"),
        ("relay:a/b", "relay:a/b"),
        ("/2", "/2"),
    ],
)
def test_a_share_s_cursor_is_one_of_its_reader(cursor: str, reader: str) -> None:
    assert reader_of(cursor) == reader


@pytest.mark.parametrize(
    ("id", "said"),
    [("relay:kafka", "relay 'kafka'"), ("consumer:billing", "consumer 'billing'"), ("latest:", "reader 'latest:'")],
)
def test_people_are_told_the_kind_and_the_name(id: str, said: str) -> None:
    assert described(id) == said


def test_a_relay_has_commands_of_its_own_and_every_other_reader_those_of_all() -> None:
    assert (reset_command("relay:kafka"), forget_command("relay:kafka")) == ("relay cursor set", "relay cursor forget")
    assert reset_command("consumer:billing") == "outbox readers APP reset consumer:billing"
    assert forget_command("consumer:billing") == "outbox readers APP forget consumer:billing"


@pytest.mark.parametrize("name", ["", " ", "a b", "a/2", "a:b", "é", "a\n", "a" * 129, 7, None, b"x"])
def test_what_can_be_no_name_is_refused_with_what_can(name: Any) -> None:
    with pytest.raises(InvalidName, match="the name of a consumer is a text of 1 to 128 characters, of A-Z"):
        reader_id("consumer", name)


@pytest.mark.parametrize("id", ["", "kafka", "relay:", "x:y", None, 7])
def test_what_can_be_no_id_is_refused(id: Any) -> None:
    with pytest.raises(InvalidName, match="no durable reader's id"):
        check_id(id)
