"""Headers under other names."""

from __future__ import annotations

import pytest

from relay.encoding.header_names import HeaderNames
from relay.errors import InvalidSettings

HEADERS = [("id", "1"), ("seq", "2"), ("log", "3"), ("created", "4"), ("type", "5"), ("tenant", "acme")]


def test_without_words_all_stay_as_they_are() -> None:
    assert HeaderNames().of(HEADERS) == HEADERS


def test_some_are_renamed_and_some_left_out_whosever_they_are() -> None:
    found = HeaderNames({"id": "message-id", "log": "", "tenant": "x-tenant"}).of(HEADERS)

    assert found == [("message-id", "1"), ("seq", "2"), ("created", "4"), ("type", "5"), ("x-tenant", "acme")]


def test_a_prefix_is_for_the_relay_s_own_and_not_for_those_that_have_a_new_name() -> None:
    found = HeaderNames({"type": "kind"}, "outbox-").of(HEADERS)

    names = [name for name, _ in found]
    assert names == ["outbox-id", "outbox-seq", "outbox-log", "outbox-created", "kind", "tenant"]


@pytest.mark.parametrize("new", ["a b", "ü", "x" * 129])
def test_a_name_that_tools_would_not_take_is_refused(new: str) -> None:
    with pytest.raises(InvalidSettings, match="a header's name is"):
        HeaderNames({"id": new})


def test_one_name_for_two_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="two headers the name 'x'"):
        HeaderNames({"id": "x", "seq": "x"})
    with pytest.raises(InvalidSettings, match="two headers the name 'seq'"):
        HeaderNames({"id": "seq"})
