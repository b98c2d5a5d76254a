"""A wrong name is refused when the Outbox is made."""

from __future__ import annotations

from typing import Any

import pytest

from outbox import InvalidName
from outbox.mongo.collections import NAME, check_name


@pytest.mark.parametrize("name", ["outbox", "A", "a_b-9", "a" * 64])
def test_a_name_is_a_letter_and_up_to_63_more_signs(name: str) -> None:
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "9a", "_a", "a.b", "a b", "a$", "ä", "a" * 65, "a\n", "system", None, 7, b"a"])
def test_other_names_are_none(name: Any) -> None:
    with pytest.raises(InvalidName, match="is not an outbox name: a letter, then"):
        check_name(name, "an outbox name")
