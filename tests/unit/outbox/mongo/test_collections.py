"""A wrong name is refused when the Outbox is made."""

from __future__ import annotations

import pytest

from outbox import InvalidName
from outbox.mongo.collections import NAME


@pytest.mark.parametrize("name", ["outbox", "A", "a_b-9", "a" * 64])
def test_a_name_is_a_letter_and_up_to_63_more_signs(name: str) -> None:
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "9a", "_a", "a.b", "a b", "a$", "ä", "a" * 65, "a\n"])
def test_other_names_are_none(name: str) -> None:
    assert not NAME.fullmatch(name)
    assert issubclass(InvalidName, Exception)
